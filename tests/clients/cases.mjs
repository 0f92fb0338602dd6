// What each JavaScript client is asked to do; as cases.py. `node cases.mjs NAME`.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { readFileSync } from "node:fs";
import path from "node:path";

const { CLIENTS_URL, CLIENTS_KEY, CLIENTS_MODEL, CLIENTS_NODE } = process.env;
const ASKED = "Who are you?";
const MOST = 24;
const require = createRequire(path.join(CLIENTS_NODE, "package.json"));
const load = (name) => import(pathToFileURL(require.resolve(name)).href);
const tell = (check, ok, found) =>
  console.log(JSON.stringify({ check, ok: Boolean(ok), found: String(found).slice(0, 300) }));
const version = (name) =>
  JSON.parse(readFileSync(path.join(CLIENTS_NODE, "node_modules", name, "package.json"))).version;

async function told(check, words, what) {
  try {
    await what();
  } catch (error) {
    const text = `${error.name}: ${error.message} ${error.responseBody ?? ""} ${error.cause ?? ""}`;
    return tell(check, words.some((word) => text.includes(word)), text);
  }
  tell(check, false, "nothing was refused");
}

const tool = {
  type: "function",
  function: { name: "weather", parameters: { type: "object", properties: {} } },
};

async function openai() {
  tell("version", true, version("openai"));
  const { OpenAI } = await load("openai");
  const api = new OpenAI({ baseURL: CLIENTS_URL, apiKey: CLIENTS_KEY, maxRetries: 0 });
  const asked = {
    model: CLIENTS_MODEL, messages: [{ role: "user", content: ASKED }], max_tokens: MOST,
  };
  const text = (await api.chat.completions.create(asked)).choices[0].message.content;
  tell("chat", text.trim(), text);
  const pieces = [];
  for await (const event of await api.chat.completions.create({ ...asked, stream: true })) {
    pieces.push(event.choices[0]?.delta?.content ?? "");
  }
  tell("stream", pieces.join("") === text && pieces.length > 1, `${pieces.length} pieces`);
  await told("error", ["does not exist"], () =>
    api.chat.completions.create({ ...asked, model: "nobody" }));
  const named = { ...asked, messages: [{ ...asked.messages[0], name: "Ada" }] };
  tell("name", (await api.chat.completions.create(named)).choices[0].message.content, "");
  await told("tools", ["tools"], () => api.chat.completions.create({ ...asked, tools: [tool] }));
  await told("responses", ["route", "responses"], () =>
    api.responses.create({ model: CLIENTS_MODEL, input: ASKED }));
}

async function ai() {
  tell("version", true, version("ai"));
  const { generateText, streamText, generateObject, jsonSchema, tool: makeTool } = await load("ai");
  const { createOpenAICompatible } = await load("@ai-sdk/openai-compatible");
  const provider = createOpenAICompatible({
    name: "suretune", baseURL: CLIENTS_URL, apiKey: CLIENTS_KEY,
  });
  const how = { prompt: ASKED, maxOutputTokens: MOST, maxRetries: 0 };
  const model = provider(CLIENTS_MODEL);
  const { text } = await generateText({ model, ...how });
  tell("chat", text.trim(), text);
  const pieces = [];
  for await (const piece of streamText({ model, ...how }).textStream) pieces.push(piece);
  tell("stream", pieces.join("") === text && pieces.length > 1, `${pieces.length} pieces`);
  await told("error", ["does not exist"], () =>
    generateText({ model: provider("nobody"), ...how }));
  const weather = makeTool({ inputSchema: jsonSchema({ type: "object", properties: {} }) });
  await told("tools", ["tools"], () => generateText({ model, ...how, tools: { weather } }));
  const schema = jsonSchema({ type: "object", properties: { name: { type: "string" } } });
  await told("structured", ["response_format", "No object"], () =>
    generateObject({ model, ...how, schema }));
}

const clients = { openai, ai };
try {
  await clients[process.argv[2]]();
} catch (error) {
  tell("all", false, `${error.name}: ${error.message}`);
}
