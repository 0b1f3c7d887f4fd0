/* dune
description: Market share of DEX projects.
matview: dune.acme.result_dex_market_share
tags: [dex, daily]
group: marts
*/
SELECT
  block_date,
  project,
  SUM(volume_usd) AS volume_usd,
  SUM(volume_usd) / SUM(SUM(volume_usd)) OVER (PARTITION BY block_date) AS share
FROM dune.acme.result_dex_daily_volume
GROUP BY 1, 2
