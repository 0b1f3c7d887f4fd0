/* dune
matview: dune.acme.result_prices_daily
description: The daily price of each token with its change since the day before.
tags: [prices, staging]
group: staging
*/
SELECT
  CAST(timestamp AS DATE) AS block_date,
  symbol,
  AVG(price) AS price_usd,
  AVG(price) / LAG(AVG(price)) OVER (PARTITION BY symbol ORDER BY CAST(timestamp AS DATE)) - 1 AS change
FROM prices.day
GROUP BY 1, 2
