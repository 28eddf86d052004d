"use strict";

// The page is complete as the server made it. This only swaps in what changed, when the server says that something has.
const byId = (id) => document.getElementById(id);

function localTimes(root) {
  const today = new Date().toDateString();
  for (const time of root.querySelectorAll("time")) {
    const at = new Date(time.dateTime);
    const clock = { hour: "2-digit", minute: "2-digit" };
    const day = at.toDateString() === today ? {} : { day: "numeric", month: "short" };
    time.textContent = at.toLocaleString([], { ...day, ...clock });
    time.title = at.toLocaleString();
  }
}

// Makes the children of `old` those of `fresh`, by their ids. What is the same stays, and keeps its place and scrolling.
function merge(old, fresh) {
  const known = new Map(Array.from(old.children, (child) => [child.id, child]));
  let place = old.firstElementChild;
  let added = 0;
  for (const next of Array.from(fresh.children)) {
    let node = known.get(next.id);
    known.delete(next.id);
    if (!node) {
      node = next;
      node.classList.add("new");
      added += node.matches("li") ? 1 : node.querySelectorAll("li").length;
    } else if (node.matches(".phone")) {
      added += merge(node.querySelector(".texts"), next.querySelector(".texts"));
    } else if (node.dataset.state !== next.dataset.state || !node.dataset.state) {
      node.replaceWith(next);
      if (place === node) place = next;
      node = next;
    }
    if (node === place) place = place.nextElementSibling;
    else old.insertBefore(node, place);
  }
  for (const gone of known.values()) gone.remove();
  return added;
}

let busy = false;
let again = false;

async function refresh() {
  if (busy) {
    again = true;
    return;
  }
  busy = true;
  try {
    const answer = await fetch("/console/phones", { cache: "no-store" });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.getElementById("phones");
    if (fresh) {
      localTimes(fresh);
      const added = merge(byId("phones"), fresh);
      byId("summary").textContent = fresh.dataset.summary;
      if (added) byId("said").textContent = added === 1 ? "One new text" : `${added} new texts`;
    }
  } catch {
    // The stream is lost too, then; it says so, and brings us back here when it returns.
  } finally {
    busy = false;
    if (again) {
      again = false;
      refresh();
    }
  }
}

function tell(state, text) {
  byId("live").dataset.state = state;
  byId("live-text").textContent = text;
}

localTimes(document);
tell("still", "Connecting");
const stream = new EventSource("/console/events");
stream.addEventListener("open", () => tell("live", "Live"));
stream.addEventListener("error", () => tell("away", "Reconnecting"));
stream.addEventListener("change", refresh);
