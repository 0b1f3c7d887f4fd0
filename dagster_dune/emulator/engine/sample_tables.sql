-- Sample data under Dune's own table and column names: sixty days that end with 2026-06-30, the day before the clock of the
-- emulator. Every value follows from MD5 sums of row numbers, so the data is the same everywhere and on every run.

CREATE SCHEMA IF NOT EXISTS dex;
CREATE SCHEMA IF NOT EXISTS dex_aggregator;
CREATE SCHEMA IF NOT EXISTS ethereum;
CREATE SCHEMA IF NOT EXISTS lending;
CREATE SCHEMA IF NOT EXISTS nft;
CREATE SCHEMA IF NOT EXISTS prices;
CREATE SCHEMA IF NOT EXISTS tokens;

-- A number in (0, 1), an address and a hash that belong to a key.
CREATE OR REPLACE TEMP MACRO chance(key) AS (CAST(md5_number_lower(key) % 1000003 AS DOUBLE) + 0.5) / 1000003;
CREATE OR REPLACE TEMP MACRO address(key) AS unhex(substr(md5(key) || md5('address ' || key), 1, 40));
CREATE OR REPLACE TEMP MACRO hash32(key) AS unhex(md5(key) || md5('hash ' || key));
-- What a lognormal distribution gives: `median` in the middle, a long tail of large ones.
CREATE OR REPLACE TEMP MACRO heavy_tailed(key, median, spread) AS
  median * exp(spread * sqrt(-2 * ln(chance(key || ' radius'))) * cos(2 * pi() * chance(key || ' angle')));
CREATE OR REPLACE TEMP MACRO raw_amount(amount, decimals) AS CAST(round(amount * power(10, decimals)) AS BIGNUM);
CREATE OR REPLACE TEMP MACRO first_moment() AS TIMESTAMPTZ '2026-05-02 00:00:00+00';

CREATE OR REPLACE TEMP TABLE chains AS
SELECT *, sum(share) OVER (ORDER BY first_block) / 100 AS upto, (sum(share) OVER (ORDER BY first_block) - share) / 100 AS since
FROM (VALUES
  ('ethereum', 30, 24990000, 12.0),
  ('base', 24, 45470000, 2.0),
  ('arbitrum', 18, 458900000, 0.25),
  ('bnb', 14, 95800000, 0.45),
  ('polygon', 8, 86300000, 2.0),
  ('optimism', 6, 151060000, 2.0)
) AS chains(blockchain, share, first_block, block_seconds);

CREATE OR REPLACE TEMP TABLE assets AS
SELECT * FROM (VALUES
  ('USDC', 'USD Coin', 6, 1.0, 0.0), ('USDT', 'Tether USD', 6, 1.0, 0.0), ('DAI', 'Dai Stablecoin', 18, 1.0, 0.0),
  ('WETH', 'Wrapped Ether', 18, 3120.0, 0.05), ('WBTC', 'Wrapped BTC', 8, 97400.0, 0.04),
  ('LINK', 'ChainLink Token', 18, 17.3, 0.07), ('UNI', 'Uniswap', 18, 8.4, 0.08), ('AAVE', 'Aave Token', 18, 246.0, 0.07),
  ('PEPE', 'Pepe', 18, 0.0000098, 0.14), ('ARB', 'Arbitrum', 18, 0.42, 0.09), ('OP', 'Optimism', 18, 0.71, 0.09),
  ('AERO', 'Aerodrome', 18, 0.95, 0.10), ('CAKE', 'PancakeSwap Token', 18, 2.6, 0.08),
  ('WBNB', 'Wrapped BNB', 18, 742.0, 0.05), ('WPOL', 'Wrapped POL', 18, 0.24, 0.08)
) AS assets(symbol, name, decimals, first_price, volatility);

CREATE OR REPLACE TEMP TABLE listings AS
SELECT blockchain, symbol, unhex(digits) AS contract_address, rank
FROM (VALUES
  ('ethereum', ['USDC', 'WETH', 'USDT', 'WBTC', 'DAI', 'LINK', 'PEPE', 'UNI', 'AAVE']),
  ('base', ['USDC', 'WETH', 'AERO', 'DAI', 'LINK', 'PEPE']),
  ('arbitrum', ['USDC', 'WETH', 'USDT', 'WBTC', 'ARB', 'LINK', 'UNI']),
  ('bnb', ['USDT', 'WBNB', 'USDC', 'CAKE', 'WETH', 'LINK']),
  ('polygon', ['USDC', 'WPOL', 'USDT', 'WETH', 'WBTC', 'AAVE']),
  ('optimism', ['USDC', 'WETH', 'OP', 'USDT', 'WBTC', 'LINK'])
) AS lists(blockchain, symbols), unnest(symbols) WITH ORDINALITY AS listed(symbol, rank)
LEFT JOIN (VALUES
  ('ethereum', 'WETH', 'c02aaa39b223fe8d0a0e5c4f27ead9083c756cc2'), ('ethereum', 'USDC', 'a0b86991c6218b36c1d19d4a2e9eb0ce3606eb48'),
  ('ethereum', 'USDT', 'dac17f958d2ee523a2206206994597c13d831ec7'), ('ethereum', 'DAI', '6b175474e89094c44da98b954eedeac495271d0f'),
  ('ethereum', 'WBTC', '2260fac5e5542a773aa44fbcfedf7c193bc2c599'), ('ethereum', 'UNI', '1f9840a85d5af5bf1d1762f925bdaddc4201f984'),
  ('ethereum', 'LINK', '514910771af9ca656af840dff83e8264ecf986ca'), ('ethereum', 'AAVE', '7fc66500c84a76ad7e9c93437bfc5ac33e2ddae9'),
  ('base', 'WETH', '4200000000000000000000000000000000000006'), ('optimism', 'WETH', '4200000000000000000000000000000000000006'),
  ('base', 'USDC', '833589fcd6edb6e08f4c7c32d4f71b54bda02913'), ('arbitrum', 'USDC', 'af88d065e77c8cc2239327c5edb3a432268e5831'),
  ('arbitrum', 'WETH', '82af49447d8a07e3bd95bd0d56f35241523fbab1')
) AS known(known_chain, known_symbol, known_digits) ON known_chain = blockchain AND known_symbol = symbol,
LATERAL (SELECT coalesce(known_digits, lower(hex(address('token ' || blockchain || ' ' || symbol)))) AS digits);

CREATE OR REPLACE TABLE tokens.erc20 AS
SELECT blockchain, contract_address, symbol, name, decimals FROM listings JOIN assets USING (symbol) ORDER BY ALL;

CREATE OR REPLACE TEMP TABLE daily_prices AS
SELECT
  symbol,
  decimals,
  day,
  CASE WHEN volatility = 0 THEN 1 + 0.002 * (chance('peg ' || symbol || day) - 0.5)
    ELSE first_price * exp(sum(volatility * (chance('price ' || symbol || day) - 0.49)) OVER (PARTITION BY symbol ORDER BY day))
  END AS price,
  first_moment() + to_days(CAST(day AS INTEGER)) AS timestamp
FROM assets, range(60) AS days(day);

CREATE OR REPLACE TABLE prices.day AS
SELECT
  blockchain,
  contract_address,
  symbol,
  timestamp,
  decimals,
  price,
  heavy_tailed('volume ' || blockchain || symbol || day, 4000000 / rank, 0.4) AS volume,
  'dex.trades' AS source
FROM daily_prices JOIN listings USING (symbol)
ORDER BY timestamp, blockchain, symbol;

CREATE OR REPLACE TABLE prices.usd AS
SELECT
  timestamp + to_hours(hour) AS minute,
  blockchain,
  decimals,
  contract_address,
  symbol,
  price * (1 + 0.004 * (chance('hour ' || symbol || day || ' ' || hour) - 0.5)) AS price
FROM daily_prices JOIN listings USING (symbol), range(24) AS hours(hour)
ORDER BY minute, blockchain, symbol;

CREATE OR REPLACE TEMP TABLE venues AS
SELECT
  *,
  sum(share) OVER (PARTITION BY blockchain ORDER BY project, version) / 100 AS upto,
  (sum(share) OVER (PARTITION BY blockchain ORDER BY project, version) - share) / 100 AS since
FROM (VALUES
  ('ethereum', 'uniswap', '3', 40), ('ethereum', 'uniswap', '4', 14), ('ethereum', 'uniswap', '2', 12), ('ethereum', 'curve', '1', 14),
  ('ethereum', 'sushiswap', '1', 6), ('ethereum', 'balancer', '2', 7), ('ethereum', 'pancakeswap', '3', 7),
  ('base', 'aerodrome', '1', 48), ('base', 'uniswap', '3', 28), ('base', 'uniswap', '4', 14), ('base', 'pancakeswap', '3', 10),
  ('arbitrum', 'uniswap', '3', 46), ('arbitrum', 'camelot', '3', 22), ('arbitrum', 'pancakeswap', '3', 12),
  ('arbitrum', 'sushiswap', '2', 10), ('arbitrum', 'curve', '1', 10),
  ('bnb', 'pancakeswap', '2', 30), ('bnb', 'pancakeswap', '3', 50), ('bnb', 'uniswap', '3', 14), ('bnb', 'sushiswap', '2', 6),
  ('polygon', 'quickswap', '3', 42), ('polygon', 'uniswap', '3', 40), ('polygon', 'sushiswap', '2', 8), ('polygon', 'balancer', '2', 10),
  ('optimism', 'velodrome', '2', 52), ('optimism', 'uniswap', '3', 38), ('optimism', 'curve', '1', 10)
) AS venues(blockchain, project, version, share);

-- A pool for each pair in which one side is among the two tokens that a chain trades most.
CREATE OR REPLACE TEMP TABLE pools AS
SELECT
  a.blockchain, a.symbol AS quote, b.symbol AS base,
  row_number() OVER (PARTITION BY a.blockchain ORDER BY a.rank + b.rank, a.rank) - 1 AS pool,
  count(*) OVER (PARTITION BY a.blockchain) AS pools
FROM listings AS a JOIN listings AS b ON a.blockchain = b.blockchain AND a.rank < b.rank AND a.rank <= 2;

CREATE OR REPLACE TEMP TABLE drawn AS
SELECT
  i,
  CAST(floor((i + chance('moment ' || i)) * 172.8 * 1000) AS BIGINT) AS at_millis,
  chance('chain ' || i) AS chain_chance,
  chance('venue ' || i) AS venue_chance,
  power(chance('pool ' || i), 1.8) AS pool_chance,
  chance('side ' || i) < 0.5 AS buys_quote,
  heavy_tailed('usd ' || i, 420, 2.1) AS usd,
  address('trader ' || CAST(floor(3000 * power(chance('taker ' || i), 2.5)) AS BIGINT)) AS taker,
  hash32('swap ' || i) AS tx_hash
FROM range(30000) AS numbers(i);

CREATE OR REPLACE TEMP TABLE swaps AS
SELECT
  drawn.*,
  c.blockchain,
  project,
  version,
  first_moment() + to_milliseconds(at_millis // 1000 * 1000) AS block_time,
  CAST(first_block + floor(at_millis / 1000 / block_seconds) AS BIGINT) AS block_number,
  CASE WHEN buys_quote THEN quote ELSE base END AS bought,
  CASE WHEN buys_quote THEN base ELSE quote END AS sold,
  address('pool ' || c.blockchain || project || version || pool) AS pool_address
FROM drawn
JOIN chains AS c ON chain_chance >= c.since AND chain_chance < c.upto
JOIN venues AS v ON v.blockchain = c.blockchain AND venue_chance >= v.since AND venue_chance < v.upto
JOIN pools AS p ON p.blockchain = c.blockchain AND pool = floor(pools * pool_chance);

CREATE OR REPLACE TABLE dex.trades AS
WITH priced AS (
  SELECT
    swaps.*,
    raw_amount(usd / pb.price, pb.decimals) AS bought_raw,
    raw_amount(usd * (1.0005 + 0.004 * chance('fee ' || i)) / ps.price, ps.decimals) AS sold_raw,
    pb.decimals AS bought_decimals, ps.decimals AS sold_decimals, pb.price AS bought_price,
    tb.contract_address AS bought_address, ts.contract_address AS sold_address
  FROM swaps
  JOIN daily_prices AS pb ON pb.symbol = bought AND pb.day = at_millis // 86400000
  JOIN daily_prices AS ps ON ps.symbol = sold AND ps.day = at_millis // 86400000
  JOIN listings AS tb ON tb.blockchain = swaps.blockchain AND tb.symbol = bought
  JOIN listings AS ts ON ts.blockchain = swaps.blockchain AND ts.symbol = sold
)
SELECT
  blockchain,
  project,
  version,
  CAST(date_trunc('month', block_time) AS DATE) AS block_month,
  CAST(block_time AS DATE) AS block_date,
  block_time,
  block_number,
  bought AS token_bought_symbol,
  sold AS token_sold_symbol,
  least(bought, sold) || '-' || greatest(bought, sold) AS token_pair,
  CAST(bought_raw AS DOUBLE) / power(10, bought_decimals) AS token_bought_amount,
  CAST(sold_raw AS DOUBLE) / power(10, sold_decimals) AS token_sold_amount,
  bought_raw AS token_bought_amount_raw,
  sold_raw AS token_sold_amount_raw,
  CAST(bought_raw AS DOUBLE) / power(10, bought_decimals) * bought_price AS amount_usd,
  bought_address AS token_bought_address,
  sold_address AS token_sold_address,
  taker,
  pool_address AS maker,
  pool_address AS project_contract_address,
  tx_hash,
  taker AS tx_from,
  address('router ' || blockchain || project) AS tx_to,
  CAST(floor(400 * chance('log ' || i)) AS BIGINT) AS evt_index
FROM priced
ORDER BY i;

CREATE OR REPLACE TABLE dex_aggregator.trades AS
SELECT
  blockchain,
  ['1inch', 'cow_protocol', '0x API', 'paraswap'][1 + CAST(md5_number_lower(hex(tx_hash)) % 4 AS INTEGER)] AS project,
  '1' AS version,
  block_date,
  block_month,
  block_time,
  token_bought_symbol,
  token_sold_symbol,
  token_pair,
  token_bought_amount,
  token_sold_amount,
  token_bought_amount_raw,
  token_sold_amount_raw,
  amount_usd,
  token_bought_address,
  token_sold_address,
  taker,
  maker,
  address('aggregator ' || blockchain) AS project_contract_address,
  tx_hash,
  tx_from,
  address('aggregator ' || blockchain) AS tx_to,
  [CAST(0 AS BIGINT)] AS trace_address,
  evt_index
FROM dex.trades
WHERE chance('aggregated ' || hex(tx_hash)) < 0.15
ORDER BY block_time, tx_hash;

-- Ethereum: the transactions of its trades, and as many again that are transfers of ether.
CREATE OR REPLACE TABLE ethereum.transactions AS
WITH sent AS (
  SELECT
    block_time, block_date, block_number, tx_hash AS hash, tx_from AS "from", tx_to AS "to",
    0.0 AS ether, 110000 + 240000 * chance('gas ' || hex(tx_hash)) AS gas, unhex('3593564c') AS data
  FROM dex.trades WHERE blockchain = 'ethereum'
  UNION ALL
  SELECT
    block_time, CAST(block_time AS DATE), CAST(24990000 + floor(epoch(block_time - first_moment()) / 12) AS BIGINT),
    hash32('transfer ' || i), address('trader ' || CAST(floor(3000 * chance('sender ' || i)) AS BIGINT)),
    address('trader ' || CAST(floor(3000 * chance('receiver ' || i)) AS BIGINT)),
    heavy_tailed('ether ' || i, 0.12, 1.8), 21000.0, unhex('')
  FROM (
    SELECT i, first_moment() + to_seconds(CAST(floor((i + chance('sent ' || i)) * 518.4) AS BIGINT)) AS block_time
    FROM range(10000) AS numbers(i)
  )
), priced AS (
  SELECT *, CAST(1000000000 * heavy_tailed('base fee ' || block_number, 2.4, 0.5) AS BIGINT) AS base_fee FROM sent
)
SELECT
  block_time,
  block_date,
  block_number,
  raw_amount(ether, 18) AS value,
  CAST(ceil(gas * 1.2) AS BIGINT) AS gas_limit,
  base_fee + 100000000 AS gas_price,
  CAST(gas AS BIGINT) AS gas_used,
  base_fee * 2 + 100000000 AS max_fee_per_gas,
  CAST(100000000 AS BIGINT) AS max_priority_fee_per_gas,
  CAST(100000000 AS BIGINT) AS priority_fee_per_gas,
  row_number() OVER (PARTITION BY "from" ORDER BY block_time, hash) - 1 AS nonce,
  row_number() OVER (PARTITION BY block_number ORDER BY hash) - 1 AS index,
  ether > 0 OR chance('success ' || hex(hash)) < 0.98 AS success,
  "from",
  "to",
  hash32('block ' || block_number) AS block_hash,
  data,
  hash,
  'DynamicFee' AS type
FROM priced
ORDER BY block_number, index;

CREATE OR REPLACE TABLE ethereum.blocks AS
SELECT
  first_moment() + to_seconds((number - 24990000) * 12) AS time,
  number,
  CAST(45000000 AS BIGINT) AS gas_limit,
  sum(gas_used)::BIGINT AS gas_used,
  CAST(min(gas_price) - 100000000 AS BIGINT) AS base_fee_per_gas,
  CAST(90000 + 60000 * chance('size ' || number) AS BIGINT) AS size,
  hash32('block ' || number) AS hash,
  hash32('block ' || (number - 1)) AS parent_hash,
  address('validator ' || CAST(floor(40 * chance('proposer ' || number)) AS BIGINT)) AS miner,
  CAST(first_moment() + to_seconds((number - 24990000) * 12) AS DATE) AS date
FROM (SELECT block_number AS number, gas_used, gas_price FROM ethereum.transactions)
GROUP BY number
ORDER BY number;

-- The transfer of the token that each trade on Ethereum bought.
CREATE OR REPLACE TABLE ethereum.logs AS
SELECT
  block_time,
  block_number,
  hash32('block ' || block_number) AS block_hash,
  token_bought_address AS contract_address,
  unhex('ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef') AS topic0,
  unhex(repeat('00', 12) || hex(maker)) AS topic1,
  unhex(repeat('00', 12) || hex(taker)) AS topic2,
  CAST(NULL AS BLOB) AS topic3,
  unhex(lpad(hex(CAST(token_bought_amount_raw AS HUGEINT)), 64, '0')) AS data,
  tx_hash,
  evt_index AS index,
  CAST(evt_index // 8 AS BIGINT) AS tx_index,
  block_date,
  tx_from,
  tx_to
FROM dex.trades
WHERE blockchain = 'ethereum'
ORDER BY block_number, index;

CREATE OR REPLACE TABLE nft.trades AS
WITH drawn AS (
  SELECT
    i,
    first_moment() + to_seconds(CAST(floor((i + chance('nft moment ' || i)) * 1728) AS BIGINT)) AS block_time,
    CAST(floor(5 * power(chance('collection ' || i), 1.6)) AS INTEGER) AS collection,
    heavy_tailed('nft price ' || i, 0.35, 1.1) AS ether
  FROM range(3000) AS numbers(i)
)
SELECT
  'ethereum' AS blockchain,
  ['opensea', 'blur', 'magiceden'][1 + CAST(floor(3 * power(chance('market ' || i), 1.5)) AS INTEGER)] AS project,
  '1' AS version,
  CAST(date_trunc('month', block_time) AS DATE) AS block_month,
  CAST(block_time AS DATE) AS block_date,
  block_time,
  CAST(24990000 + floor(epoch(block_time - first_moment()) / 12) AS BIGINT) AS block_number,
  ['Bored Apes', 'Pudgy Penguins', 'Azuki', 'Milady', 'Doodles'][1 + collection] AS collection,
  CAST(CAST(floor(10000 * chance('token id ' || i)) AS BIGINT) AS BIGNUM) AS token_id,
  'erc721' AS token_standard,
  'Single Item Trade' AS trade_type,
  CAST(1 AS BIGNUM) AS number_of_items,
  'Buy' AS trade_category,
  address('collector ' || CAST(floor(700 * chance('seller ' || i)) AS BIGINT)) AS seller,
  address('collector ' || CAST(floor(700 * chance('buyer ' || i)) AS BIGINT)) AS buyer,
  CAST(raw_amount(ether, 18) AS DOUBLE) / 1e18 AS amount_original,
  raw_amount(ether, 18) AS amount_raw,
  CAST(raw_amount(ether, 18) AS DOUBLE) / 1e18 * price AS amount_usd,
  'WETH' AS currency_symbol,
  unhex('c02aaa39b223fe8d0a0e5c4f27ead9083c756cc2') AS currency_contract,
  address('collection ' || collection) AS nft_contract_address,
  address('nft market ' || CAST(floor(3 * power(chance('market ' || i), 1.5)) AS INTEGER)) AS project_contract_address,
  hash32('nft ' || i) AS tx_hash,
  address('collector ' || CAST(floor(700 * chance('buyer ' || i)) AS BIGINT)) AS tx_from,
  address('nft market ' || CAST(floor(3 * power(chance('market ' || i), 1.5)) AS INTEGER)) AS tx_to
FROM drawn
JOIN daily_prices ON symbol = 'WETH' AND day = floor(epoch(block_time - first_moment()) / 86400)
ORDER BY i;

CREATE OR REPLACE TEMP TABLE loans AS
WITH drawn AS (
  SELECT
    i,
    first_moment() + to_seconds(CAST(floor((i + chance('loan moment ' || i)) * 1296) AS BIGINT)) AS block_time,
    ['ethereum', 'arbitrum', 'base', 'polygon'][1 + CAST(floor(4 * power(chance('loan chain ' || i), 1.5)) AS INTEGER)] AS blockchain,
    CAST(1 + floor(4 * chance('loan token ' || i)) AS INTEGER) AS rank,
    address('borrower ' || CAST(floor(900 * chance('borrower ' || i)) AS BIGINT)) AS account,
    heavy_tailed('loan usd ' || i, 2500, 1.9) AS usd
  FROM range(4000) AS numbers(i)
)
SELECT
  i, blockchain, block_time, symbol, contract_address, account, price,
  ['aave', 'compound', 'morpho'][1 + CAST(floor(3 * power(chance('lender ' || i), 1.7)) AS INTEGER)] AS project,
  raw_amount(usd / price, decimals) AS amount_raw,
  CAST(raw_amount(usd / price, decimals) AS DOUBLE) / power(10, decimals) AS amount,
  CAST(first_block + floor(epoch(block_time - first_moment()) / block_seconds) AS BIGINT) AS block_number
FROM drawn
JOIN listings USING (blockchain, rank)
JOIN chains USING (blockchain)
JOIN daily_prices USING (symbol)
WHERE day = floor(epoch(block_time - first_moment()) / 86400);

CREATE OR REPLACE TABLE lending.supply AS
SELECT
  blockchain, project, '3' AS version,
  CASE WHEN i % 3 = 1 THEN 'withdraw' ELSE 'deposit' END AS transaction_type,
  symbol, contract_address AS token_address, account AS depositor, account AS on_behalf_of,
  CASE WHEN i % 3 = 1 THEN account END AS withdrawn_to, CAST(NULL AS BLOB) AS liquidator,
  CASE WHEN i % 3 = 1 THEN -amount ELSE amount END AS amount, amount_raw,
  CASE WHEN i % 3 = 1 THEN -amount ELSE amount END * price AS amount_usd,
  CAST(date_trunc('month', block_time) AS DATE) AS block_month, block_time, block_number,
  address('lender ' || blockchain || project) AS project_contract_address, i % 200 AS evt_index, hash32('loan ' || i) AS tx_hash
FROM loans WHERE i % 2 = 0 ORDER BY i;

CREATE OR REPLACE TABLE lending.borrow AS
SELECT
  blockchain, project, '3' AS version,
  CASE WHEN i % 3 = 1 THEN 'repay' ELSE 'borrow' END AS transaction_type,
  'variable' AS loan_type, symbol, contract_address AS token_address, account AS borrower, account AS on_behalf_of,
  CASE WHEN i % 3 = 1 THEN account END AS repayer, CAST(NULL AS BLOB) AS liquidator,
  CASE WHEN i % 3 = 1 THEN -amount ELSE amount END AS amount, amount_raw,
  CASE WHEN i % 3 = 1 THEN -amount ELSE amount END * price AS amount_usd,
  CAST(date_trunc('month', block_time) AS DATE) AS block_month, block_time, block_number,
  address('lender ' || blockchain || project) AS project_contract_address, i % 200 AS evt_index, hash32('loan ' || i) AS tx_hash
FROM loans WHERE i % 2 = 1 ORDER BY i;

DROP TABLE chains; DROP TABLE assets; DROP TABLE listings; DROP TABLE daily_prices; DROP TABLE venues; DROP TABLE pools;
DROP TABLE drawn; DROP TABLE swaps; DROP TABLE loans;
DROP MACRO chance; DROP MACRO address; DROP MACRO hash32; DROP MACRO heavy_tailed; DROP MACRO raw_amount; DROP MACRO first_moment;
