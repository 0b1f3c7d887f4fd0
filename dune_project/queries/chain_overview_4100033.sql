/* dune
name: Chains side by side
description: Trades, volume and traders of each day and chain, in one row.
tags: [dex, overview]
group: reports
owners: [team:research]
automation: eager
*/
WITH volumes AS (
  SELECT block_date, blockchain, SUM(trades) AS trades, SUM(volume_usd) AS volume_usd
  FROM dune.acme.result_dex_daily_volume
  GROUP BY 1, 2
)
SELECT
  volumes.block_date,
  volumes.blockchain,
  volumes.trades,
  volumes.volume_usd,
  traders.traders,
  traders.median_trade_usd,
  volumes.volume_usd / traders.traders AS volume_per_trader_usd
FROM volumes
JOIN dune.acme.result_traders_daily AS traders
  ON traders.block_date = volumes.block_date AND traders.blockchain = volumes.blockchain
