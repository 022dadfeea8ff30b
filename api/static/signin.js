// Signing in with an API key, where the API asks for one. Self-contained: a dialog and its styles.

let asked = null; // one dialog, however many ask

// Resolves when the API answers this page: at once, or once the reader has signed in.
export async function signedIn() {
  const answer = await fetch("/v1/games", { cache: "no-store" });
  if (answer.status !== 401) return;
  asked ??= ask().finally(() => (asked = null));
  await asked;
}

function ask() {
  const dialog = make("dialog", { id: "signin" }, { "aria-labelledby": "signin-title" });
  const form = make("form", { method: "dialog" });
  const key = make("input", {
    id: "signin-key", type: "password", required: true, spellcheck: false,
    autocomplete: "current-password",
  }, { "aria-describedby": "signin-help signin-problem" });
  const problem = make("p", { id: "signin-problem" }, { role: "alert" });
  const button = make("button", { type: "submit", textContent: "Sign in" });
  form.append(
    make("h2", { id: "signin-title", textContent: "Sign in" }),
    make("p", { id: "signin-help", textContent: "This board asks for an API key: steamline key new NAME --scope read" }),
    make("label", { htmlFor: "signin-key", textContent: "API key" }), key, problem, button,
  );
  dialog.append(form);
  document.head.append(make("link", { rel: "stylesheet", href: "/static/signin.css" }));
  document.body.append(dialog);
  dialog.showModal();
  dialog.addEventListener("cancel", (event) => event.preventDefault());
  return new Promise((resolve) => {
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      button.disabled = true;
      problem.textContent = "";
      const wrong = await signIn(key.value.trim());
      button.disabled = false;
      if (wrong == null) {
        dialog.remove();
        resolve();
      } else {
        problem.textContent = wrong;
        key.setAttribute("aria-invalid", "true");
        key.select();
      }
    });
  });
}

// What is wrong; null when signed in.
async function signIn(key) {
  if (!/^[\x21-\x7e]+$/.test(key)) return "That is no API key.";
  try {
    const answer = await fetch("/v1/session", {
      method: "POST", headers: { Authorization: `Bearer ${key}` },
    });
    if (answer.ok) return null;
    if (answer.status === 401) return "This key is not valid: wrong, expired or revoked.";
    return (await answer.json()).detail;
  } catch {
    return "The API does not answer. Try again.";
  }
}

function make(name, properties, attributes = {}) {
  const made = Object.assign(document.createElement(name), properties);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}
