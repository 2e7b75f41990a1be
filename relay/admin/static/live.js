/* Keeps a page as it is now: the server sends its changing parts, and what differs is put in their place. */
"use strict";

(() => {
  const parts = document.querySelector("[data-stream]");
  const sign = document.getElementById("live");
  const AGAIN = 10_000;
  const SILENT = 8_000;
  if (!parts || !window.EventSource) return;
  const seen = new Map();

  // Something comes every two seconds. When the relay is gone the browser tries again for ever, and says nothing.
  let silence;
  function hear(text, tone) {
    clearTimeout(silence);
    silence = setTimeout(() => say("no answer from the relay, numbers stand still", "bad"), SILENT);
    say(text, tone);
  }

  function say(text, tone) {
    sign.hidden = false;
    sign.textContent = text;
    sign.dataset.tone = tone;
  }

  // What somebody is using right now is left alone until they are done.
  function isInUse(part) {
    return part.contains(document.activeElement) || part.matches(":active");
  }

  function show(html) {
    const fresh = new DOMParser().parseFromString(html, "text/html");
    for (const part of fresh.querySelectorAll("[data-part]")) {
      const name = part.dataset.part;
      const old = parts.querySelector(`[data-part="${name}"]`);
      const text = part.outerHTML;
      if (!old || seen.get(name) === text || isInUse(old)) continue;
      seen.set(name, text);
      const put = document.importNode(part, true);
      old.replaceWith(put);
      put.dispatchEvent(new CustomEvent("relay:changed", { bubbles: true }));
    }
  }

  function listen() {
    const source = new EventSource(parts.dataset.stream);
    source.addEventListener("parts", (event) => { show(event.data); hear("live", "good"); });
    source.addEventListener("away", () => hear("database away, numbers stand still", "bad"));
    source.addEventListener("error", () => {
      // Each stream ends after a while, and the browser opens the next by itself. When it does not, the session may
      // be over: loading the page again tells.
      if (source.readyState !== EventSource.CLOSED) return;
      say("not live, trying again", "bad");
      setTimeout(again, AGAIN);
    });
    addEventListener("pagehide", () => source.close(), { once: true });
  }

  async function again() {
    try {
      const answer = await fetch(location.href, { redirect: "manual" });
      if (answer.type === "opaqueredirect") location.reload();
    } catch { /* the server is away; it is asked again */ }
    listen();
  }

  listen();
})();
