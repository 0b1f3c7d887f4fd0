/* dune
name: Gas paid for each dollar traded
description: What Ethereum's users paid for gas, for each dollar that was traded there, day by day.
tags: [ethereum, dex]
group: reports
owners: [team:research]
*/
WITH volumes AS (
  SELECT block_date, SUM(volume_usd) AS volume_usd
  FROM dune.acme.result_dex_daily_volume
  WHERE blockchain = 'ethereum'
  GROUP BY 1
)
SELECT
  gas.block_date,
  gas.gas_eth,
  volumes.volume_usd,
  gas.gas_eth * prices.price_usd / volumes.volume_usd AS gas_per_dollar
FROM dune.acme.result_gas_daily AS gas
JOIN volumes ON volumes.block_date = gas.block_date
JOIN dune.acme.result_prices_daily AS prices ON prices.block_date = gas.block_date AND prices.symbol = 'WETH'
