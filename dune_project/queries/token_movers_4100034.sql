/* dune
name: Tokens that moved
description: The largest daily price changes among tokens that were traded for more than 10,000 US dollars that day.
tags: [prices]
group: reports
owners: [team:research]
*/
SELECT
  prices.block_date,
  prices.symbol,
  prices.price_usd,
  prices.change,
  volumes.volume_usd
FROM dune.acme.result_prices_daily AS prices
JOIN dune.acme.result_token_daily_volume AS volumes
  ON volumes.block_date = prices.block_date AND volumes.symbol = prices.symbol
WHERE volumes.volume_usd > 10000 AND prices.change IS NOT NULL
ORDER BY ABS(prices.change) DESC
LIMIT 100
