/* dune
name: Stablecoins
description: A query view that others read to tell stablecoins from the rest.
tags: [tokens]
group: staging
*/
SELECT DISTINCT symbol
FROM tokens.erc20
WHERE symbol IN ('USDC', 'USDT', 'DAI', 'FRAX', 'PYUSD')
