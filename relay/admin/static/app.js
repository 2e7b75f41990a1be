/* What JavaScript adds to pages that work without it: local times, copying, selecting all, looking again. */
"use strict";

(() => {
  const styles = {
    full: { day: "2-digit", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" },
    time: { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" },
  };

  function localise(root) {
    for (const time of root.querySelectorAll("time[datetime]:not([data-local])")) {
      const moment = new Date(time.dateTime);
      if (!Number.isNaN(moment.valueOf())) {
        time.textContent = moment.toLocaleString(undefined, styles[time.dataset.style] || styles.full);
        time.dataset.local = "";
      }
    }
  }

  function offerCopying(root) {
    if (!navigator.clipboard) return;
    for (const button of root.querySelectorAll("button.copy[hidden]")) button.hidden = false;
  }

  function offerSelecting(root) {
    for (const box of root.querySelectorAll("input[data-select-all]")) {
      box.closest("label").hidden = false;
      count(box.form);
    }
  }

  function boxes(form) {
    return [...form.elements].filter((each) => each.name === "delivery");
  }

  function count(form) {
    const chosen = boxes(form).filter((each) => each.checked).length;
    const shown = document.querySelector("[data-chosen]");
    if (shown) shown.textContent = chosen ? `${chosen} selected` : "None selected";
    const all = form.querySelector("[data-select-all]");
    if (all) {
      all.checked = chosen > 0 && chosen === boxes(form).length;
      all.indeterminate = chosen > 0 && !all.checked;
    }
  }

  function enhance(root) {
    localise(root);
    offerCopying(root);
    offerSelecting(root);
  }

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button.copy");
    if (!button) return;
    const text = button.dataset.copyFrom ? document.getElementById(button.dataset.copyFrom).textContent : button.dataset.copy;
    const label = button.textContent;
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "copied";
    } catch {
      button.textContent = "not allowed";
    }
    setTimeout(() => { button.textContent = label; }, 1500);
  });

  document.addEventListener("change", (event) => {
    const box = event.target;
    if (!box.form || box.type !== "checkbox") return;
    if (box.hasAttribute("data-select-all")) for (const each of boxes(box.form)) each.checked = box.checked;
    if (box.name === "delivery" || box.hasAttribute("data-select-all")) count(box.form);
  });

  // A problem that passes by itself: once there is another answer, it is shown. Until then whoever reads is not disturbed.
  function lookAgain() {
    if (!document.querySelector("[data-looks-again]")) return;
    setInterval(async () => {
      try {
        const answer = await fetch(location.href, { redirect: "manual" });
        if (answer.status < 500) location.reload();
      } catch { /* the relay is away as well */ }
    }, 5000);
  }

  // A form is sent once, however often its button is pressed.
  document.addEventListener("submit", (event) => {
    if (event.target.dataset.sent) event.preventDefault();
    event.target.dataset.sent = "yes";
    setTimeout(() => { delete event.target.dataset.sent; }, 5000);
  });

  // A page that comes back as it was left may be of somebody who has signed out.
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

  document.addEventListener("relay:changed", (event) => enhance(event.target));
  document.addEventListener("htmx:load", (event) => enhance(event.target));
  function begin() {
    enhance(document);
    lookAgain();
  }
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin);
  else begin();
})();
