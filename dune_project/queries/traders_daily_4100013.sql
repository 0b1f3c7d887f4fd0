/* dune
description: Traders by day and chain.
matview: dune.acme.result_traders_daily
tags: [dex, daily]
group: marts
*/
SELECT
  block_date,
  blockchain,
  COUNT(DISTINCT taker) AS traders,
  APPROX_PERCENTILE(amount_usd, 0.5) AS median_trade_usd
FROM dune.acme.result_dex_trades_clean
GROUP BY 1, 2
