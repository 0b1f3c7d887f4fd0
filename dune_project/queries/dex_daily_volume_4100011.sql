/* dune
description: DEX volume by day, chain and project.
matview: dune.acme.result_dex_daily_volume
tags: [dex, daily]
group: marts
freshness: {fail_hours: 26, warn_hours: 25}
performance: medium
*/
SELECT
  block_date,
  blockchain,
  project,
  COUNT(*) AS trades,
  SUM(amount_usd) AS volume_usd
FROM dune.acme.result_dex_trades_clean
GROUP BY 1, 2, 3
