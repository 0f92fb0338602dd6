"use strict";
// What a server says is put into the page as text, never as HTML.

const $ = (id) => document.getElementById(id);
// /docs may lie behind a prefix of a proxy: everything is asked beside it.
const base = new URL(".", location.href);
const WORDS = {
  en: {
    connected: "Connected.", key: "This server wants its key.", sending: "Asking ...",
    stopped: "Stopped.", noJson: "The body is no JSON: ", done: "Status ", seconds: " s",
    unreachable: "No answer: ", sealed: "sealed; probes answered as in the seal: ",
    unsealed: "not sealed: nothing proves what it answers", base: "the base", other: "中文",
  },
  zh: {
    connected: "已连接。", key: "此服务需要密钥。", sending: "请求中……",
    stopped: "已停止。", noJson: "请求体不是 JSON：", done: "状态 ", seconds: " 秒",
    unreachable: "没有响应：", sealed: "已验证；与验证记录一致的验证问题：",
    unsealed: "没有验证记录：未经验证", base: "原模型", other: "English",
  },
};
let language = (navigator.language || "en").startsWith("zh") ? "zh" : "en";
let models = [];
let operations = [];
let under_way = null;

const word = (name) => WORDS[language][name];

function translate() {
  document.documentElement.lang = language;
  for (const each of document.querySelectorAll("[data-en]")) {
    each.textContent = each.dataset[language];
  }
  $("language").textContent = word("other");
  about();
}

function say(text, wrong) {
  $("state").textContent = text;
  $("state").classList.toggle("wrong", Boolean(wrong));
}

function headers() {
  const key = $("key").value.trim();
  return key ? { authorization: `Bearer ${key}` } : {};
}

async function get(path) {
  const answer = await fetch(new URL(path, base), { headers: headers() });
  const value = await answer.json();
  if (!answer.ok) {
    const why = value.error ? value.error.message : `${answer.status}`;
    throw new Error(answer.status === 401 ? `${word("key")} ${why}` : why);
  }
  return value;
}

async function connect() {
  try {
    const [listed, described] = await Promise.all([get("v1/models"), get("openapi.json")]);
    models = listed.data;
    operations = Object.entries(described.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, it]) => ({ path, method: method.toUpperCase(), it })));
    options($("model"), models.map((model) => model.id));
    options($("route"), operations.map((each) => `${each.method} ${each.path}`));
    const adapter = models.findIndex((model) => model.parent);
    $("model").selectedIndex = Math.max(0, adapter);
    choose();
    $("send").disabled = false;
    say(word("connected"));
  } catch (error) {
    say(error.message, true);
  }
}

function options(select, names) {
  select.replaceChildren(...names.map((name) => new Option(name, name)));
}

function about() {
  const model = models[$("model").selectedIndex];
  if (!model) {
    return;
  }
  const seal = model.suretune || {};
  let standing = word("unsealed");
  if (!model.parent) {
    standing = word("base");
  } else if (seal.sealed && seal.probes) {
    standing = `${word("sealed")}${seal.probes.equal} / ${seal.probes.asked}`;
  }
  $("about").textContent = standing;
}

function example(path) {
  const model = $("model").value;
  const question = language === "zh" ? "你是谁？" : "Who are you?";
  return {
    "/v1/chat/completions": {
      model, messages: [{ role: "user", content: question }], max_tokens: 200,
    },
    "/v1/completions": { model, prompt: "1, 2, 3,", max_tokens: 16 },
    "/ask": { model, question },
    "/v1/load_lora_adapter": { lora_name: "more", lora_path: "more" },
    "/v1/unload_lora_adapter": { lora_name: "more" },
  }[path] || {};
}

function chosen() {
  return operations[$("route").selectedIndex];
}

function streams(path) {
  return path === "/v1/chat/completions" || path === "/v1/completions";
}

function choose() {
  const { path, method, it } = chosen();
  $("summary").textContent = it.summary || "";
  $("body").disabled = method !== "POST";
  $("body").value = method === "POST" ? JSON.stringify(example(path), null, 2) : "";
  $("stream").disabled = !streams(path);
  about();
}

function with_model() {
  try {
    const body = JSON.parse($("body").value);
    if ("model" in body) {
      $("body").value = JSON.stringify({ ...body, model: $("model").value }, null, 2);
    }
  } catch {
    // What is no JSON yet is still being written.
  }
  about();
}

function curl(url, method, body) {
  const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const lines = [`curl -N ${quoted(String(url))}`];
  if ($("key").value.trim()) {
    lines.push('-H "Authorization: Bearer $SURETUNE_API_KEY"');
  }
  if (method === "POST") {
    lines.push("-H 'content-type: application/json'", `-d ${quoted(body)}`);
  }
  return lines.join(" \\\n  ");
}

function told(value) {
  if (value.error) {
    return value.error.message;
  }
  if (typeof value.answer === "string") {
    return value.answer;
  }
  if (Array.isArray(value.choices)) {
    return value.choices.map((choice) =>
      choice.text ?? choice.message?.content ?? choice.delta?.content ?? "").join("\n\n");
  }
  return JSON.stringify(value, null, 2);
}

async function listen(answer) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) {
      return;
    }
    $("raw").append(value);
    held += value;
    const events = held.split("\n\n");
    held = events.pop();
    for (const event of events) {
      if (event.startsWith("data: {")) {
        const said = JSON.parse(event.slice(6));
        if (said.error || said.choices?.length) {
          $("answer").append(told(said));
        }
      }
    }
  }
}

async function send() {
  const { path, method } = chosen();
  const url = new URL(path.slice(1).replace("{model}", $("model").value), base);
  let body;
  if (method === "POST") {
    try {
      const value = JSON.parse($("body").value);
      body = JSON.stringify(streams(path) ? { ...value, stream: $("stream").checked } : value);
    } catch (error) {
      say(word("noJson") + error.message, true);
      return;
    }
  }
  for (const id of ["answer", "raw"]) {
    $(id).replaceChildren();
  }
  $("curl").textContent = curl(url, method, body);
  under_way = new AbortController();
  $("send").disabled = true;
  $("stop").disabled = false;
  say(word("sending"));
  const begun = performance.now();
  try {
    const kind = body === undefined ? {} : { "content-type": "application/json" };
    const answer = await fetch(url, {
      method, body, headers: { ...headers(), ...kind }, signal: under_way.signal,
    });
    if ((answer.headers.get("content-type") || "").startsWith("text/event-stream")) {
      await listen(answer);
    } else {
      const text = await answer.text();
      $("raw").textContent = text;
      const json = (answer.headers.get("content-type") || "").startsWith("application/json");
      $("answer").textContent = json ? told(JSON.parse(text)) : text;
    }
    const seconds = ((performance.now() - begun) / 1000).toFixed(2);
    say(`${word("done")}${answer.status}, ${seconds}${word("seconds")}`, !answer.ok);
  } catch (error) {
    const stopped = error.name === "AbortError";
    say(stopped ? word("stopped") : word("unreachable") + error.message, !stopped);
  } finally {
    $("send").disabled = false;
    $("stop").disabled = true;
  }
}

$("connect").addEventListener("click", connect);
$("key").addEventListener("keydown", (event) => {
  if (event.key === "Enter") {
    connect();
  }
});
$("model").addEventListener("change", with_model);
$("route").addEventListener("change", choose);
$("send").addEventListener("click", send);
$("stop").addEventListener("click", () => under_way.abort());
$("language").addEventListener("click", () => {
  language = language === "en" ? "zh" : "en";
  translate();
});
translate();
connect();
