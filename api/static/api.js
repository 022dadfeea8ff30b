// REST: JSON in, one kind of error out, one sign-in for all who were refused.

export class Problem extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status; // 0: no answer
  }
}

let signingIn = null;

// JSON of `path`. Throws Problem.
export async function get(path, again = true) {
  let answer;
  try {
    answer = await fetch(path, { headers: { Accept: "application/json" } });
  } catch {
    throw new Problem(0, "The API does not answer.");
  }
  if (answer.status === 401 && again) {
    await signIn();
    return get(path, false);
  }
  if (!answer.ok) throw new Problem(answer.status, await why(answer));
  return answer.json();
}

// null where there is no such thing; every other failure is thrown.
export const find = (path) => get(path).catch((problem) => {
  if (problem.status === 404) return null;
  throw problem;
});

async function why(answer) {
  const problem = await answer.json().catch(() => null);
  return problem?.detail ?? problem?.title ?? `${answer.status} ${answer.statusText}`;
}

// One dialog, however many requests were refused at once.
async function signIn() {
  signingIn ??= import("/static/signin.js")
    .then((module) => module.signedIn())
    .finally(() => (signingIn = null));
  try {
    await signingIn;
  } catch {
    throw new Problem(401, "This needs a key with the scope read.");
  }
}

// Items of a paged list, page by page until `most`. {items, more: there are others}
export async function list(path, most = 5_000, page = 1_000) {
  const items = [];
  let cursor = null;
  do {
    const address = new URL(path, location.origin);
    address.searchParams.set("limit", Math.min(page, most - items.length));
    if (cursor) address.searchParams.set("cursor", cursor);
    const found = await get(address.pathname + address.search);
    items.push(...found.items);
    cursor = found.next;
  } while (cursor && items.length < most);
  return { items, more: cursor != null };
}
