// A feed client of its own: fetch, and the rules of the HTML standard for event streams.
// node follow.mjs URL [LAST_ID]: one JSON line an event. Ends after 30 s, or with its reader.
const [url, lastId] = process.argv.slice(2);
setTimeout(() => process.exit(3), 30_000);

const headers = { Accept: "text/event-stream" };
if (lastId) headers["Last-Event-ID"] = lastId;
const answer = await fetch(url, { headers });
if (!answer.ok) {
  process.stderr.write(await answer.text());
  process.exit(2);
}

let text = "", id = lastId ?? "", event = "", data = [], retry = null;

function line(said) {
  if (said === "") {
    if (data.length) {
      process.stdout.write(JSON.stringify({ event: event || "message", id, data: data.join("\n"), retry }) + "\n");
    }
    event = "";
    data = [];
    return;
  }
  const colon = said.indexOf(":");
  const name = colon < 0 ? said : said.slice(0, colon);
  const value = colon < 0 ? "" : said.slice(colon + 1).replace(/^ /, "");
  if (name === "event") event = value;
  else if (name === "data") data.push(value);
  else if (name === "id" && !value.includes("\0")) id = value;
  else if (name === "retry" && /^[0-9]+$/.test(value)) retry = Number(value);
}

// TextDecoderStream takes a byte order mark off.
for await (const chunk of answer.body.pipeThrough(new TextDecoderStream())) {
  text += chunk;
  for (let end; (end = text.search(/\r\n|\n|\r(?!$)/)) >= 0; ) {
    line(text.slice(0, end));
    text = text.slice(end + (text.startsWith("\r\n", end) ? 2 : 1));
  }
}
