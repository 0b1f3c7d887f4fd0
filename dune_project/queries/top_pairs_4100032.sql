/* dune
name: Top pairs of a chain
description: The pairs with the most volume on one chain since a day, and the size of their largest trade.
tags: [dex]
group: reports
owners: [team:research]
parameters:
  blockchain: {type: enum, value: ethereum, options: [ethereum, arbitrum, base, polygon, optimism, bnb]}
  Start Date: {type: datetime, value: "2026-06-01 00:00:00"}
  limit: {type: number, value: 20}
*/
SELECT
  pair,
  COUNT(*) AS trades,
  SUM(amount_usd) AS volume_usd,
  MAX(amount_usd) AS largest_trade_usd
FROM dune.acme.result_dex_trades_clean
WHERE blockchain = '{{blockchain}}'
  AND block_time >= TIMESTAMP '{{Start Date}}'
GROUP BY 1
ORDER BY volume_usd DESC
LIMIT {{limit}}
