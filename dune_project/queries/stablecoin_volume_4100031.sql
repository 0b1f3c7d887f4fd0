/* dune
name: Stablecoin volume by day
description: What share of each day's volume was in which stablecoin.
tags: [dex, stablecoins]
group: reports
owners: [team:research]
*/
SELECT
  volumes.block_date,
  volumes.symbol,
  volumes.volume_usd,
  volumes.volume_usd / SUM(volumes.volume_usd) OVER (PARTITION BY volumes.block_date) AS share
FROM dune.acme.result_token_daily_volume AS volumes
JOIN query_4100030 AS stablecoins ON stablecoins.symbol = volumes.symbol
ORDER BY 1, 2
