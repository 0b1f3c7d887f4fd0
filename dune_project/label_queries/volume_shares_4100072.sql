/* dune
name: Shares of the kinds of chain
description: How much of each month's volume is on which kind of chain.
tags: [labels]
*/
SELECT
  month,
  kind,
  trades,
  volume_usd,
  volume_usd / SUM(volume_usd) OVER (PARTITION BY month) AS share
FROM dune.acme.result_labelled_volume
ORDER BY month, kind
