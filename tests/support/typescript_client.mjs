// Calls every method of Dune's official TypeScript client against the server of DUNE_API_BASE_URL, and prints one JSON
// object: what each method gave, by its name, and the names of all methods that the client has.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

const require = createRequire(process.cwd() + "/");
const sdk = require("@duneanalytics/client-sdk");
const { DuneClient, QueryParameter } = sdk;

// The client has its address built in.
const fetchAnywhere = globalThis.fetch;
globalThis.fetch = (url, request) =>
  fetchAnywhere(String(url).replace("https://api.dune.com", process.env.DUNE_API_BASE_URL), request);

const client = new DuneClient(process.env.DUNE_API_KEY);
const groups = { client, ...Object.fromEntries(Object.entries(client).filter(([, group]) => typeof group === "object")) };
const answers = {};

async function call(name, ...args) {
  const [group, method] = name.split(".");
  try {
    answers[name] = await groups[group][method](...args);
  } catch (error) {
    answers[name] = { error: String(error) };
  }
  return answers[name];
}

const least = (value) => [QueryParameter.number("least", value)];
const sql = "SELECT n FROM UNNEST(sequence(1, 9)) AS t(n) WHERE n >= {{least}} ORDER BY n";
const opts = { pingFrequency: 0.05 };
const rows = async (name, ...args) => {
  const answer = await call(name, ...args);
  answers[name] = answer?.result?.rows?.map((row) => row.n) ?? answer;
};
const csv = async (name, ...args) => {
  const answer = await call(name, ...args);
  answers[name] = answer?.data ?? answer;
};

const queryId = await call("query.createQuery", { name: "numbers", query_sql: sql, query_parameters: least(1) });
await call("query.readQuery", queryId);
await call("query.updateQuery", queryId, { name: "more", query_sql: sql, query_parameters: least(2), tags: ["a"] });
await call("query.makePrivate", queryId);
await call("query.makePublic", queryId);
await call("query.archiveQuery", queryId);
await call("query.unarchiveQuery", queryId);

await rows("client.runQuery", { queryId, query_parameters: least(8), opts });
await csv("client.runQueryCSV", { queryId, query_parameters: least(7), opts });
await rows("client.getLatestResult", { queryId, opts: { ...opts, batchSize: 1 } });
await call("client.downloadCSV", { queryId, opts }, "out.csv");
answers["client.downloadCSV"] = await readFile("out.csv", "utf8");
await rows("client.runSql", { query_sql: "SELECT 1 AS n", archiveAfter: true, opts });
await rows("client.refresh", queryId, least(9), 0.05);
answers["client.refreshResults"] = (await call("client.refreshResults", queryId, {}, 0.05)).state;

const submitted = await call("exec.executeQuery", queryId, { query_parameters: least(3) });
answers["exec.executeQuery"] = submitted.state;
const finished = async (id) => {
  let status = await groups.exec.getExecutionStatus(id);
  while (!status.is_execution_finished) status = await groups.exec.getExecutionStatus(id);
  return status;
};
await finished(submitted.execution_id);
answers["exec.getExecutionStatus"] = (await call("exec.getExecutionStatus", submitted.execution_id)).state;
await rows("exec.getExecutionResults", submitted.execution_id, { limit: 2, columns: ["n"], sort_by: "n desc" });
await csv("exec.getResultCSV", submitted.execution_id, { limit: 1 });
const last = await call("exec.getLastExecutionResults", queryId, { limit: 2, query_parameters: least(3) });
answers["exec.getLastExecutionResults"] = last.error ?? { rows: last.results.result.rows.map((row) => row.n), isExpired: last.isExpired };
await csv("exec.getLastResultCSV", queryId, { limit: 3, query_parameters: least(3) });
answers["exec.cancelExecution"] = await groups.exec.cancelExecution(submitted.execution_id);
const free = await call("exec.executeSql", { sql: "SELECT 2 AS n" });
answers["exec.executeSql"] = (await finished(free.execution_id)).state;
const again = await call("exec.execute", queryId, least(1));
answers["exec.execute"] = (await finished(again.execution_id)).state;
answers["exec.getStatus"] = (await call("exec.getStatus", again.execution_id)).state;
await rows("exec.getResult", again.execution_id);
const pipeline = await call("exec.executeQueryPipeline", queryId);
answers["exec.executeQueryPipeline"] = Object.keys(pipeline);
answers["pipeline.getPipelineStatus"] = Object.keys(await call("pipeline.getPipelineStatus", pipeline.pipeline_execution_id)).sort();

const schema = [{ name: "n", type: "bigint" }];
const table = { namespace: "acme", table_name: "made" };
for (const group of ["uploads", "table"]) {
  await call(`${group}.create`, { ...table, schema });
  await call(`${group}.insert`, { ...table, data: Buffer.from("n\n1\n2\n"), content_type: "text/csv" });
  if (group === "uploads") {
    answers["uploads.list"] = (await call("uploads.list", { limit: 5 })).tables.map((each) => each.full_name);
    await call("uploads.clear", table);
  }
  await call(`${group}.delete`, table);
  await call(`${group}.uploadCsv`, { table_name: group, data: "n\n1\n" });
}
answers["dataset.list"] = (await call("dataset.list", { limit: 100, type: "uploaded_table" })).datasets.map((each) => each.full_name);
answers["dataset.getBySlug"] = (await call("dataset.getBySlug", "dex.trades")).type;
answers["usage.getUsage"] = Object.keys(await call("usage.getUsage")).sort();
await rows("custom.getResults", { handle: "acme", slug: "numbers", limit: 2 });

const methods = Object.entries(groups).flatMap(([group, object]) =>
  Object.getOwnPropertyNames(Object.getPrototypeOf(object))
    .filter((method) => method !== "constructor" && !method.startsWith("_") && method !== "buildCSVResponse")
    .map((method) => `${group}.${method}`),
);
console.log(JSON.stringify({ answers, methods }));
