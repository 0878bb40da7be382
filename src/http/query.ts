/** Levels of percent-encoding that are followed, as in paths. */
const MAX_DECODINGS = 3;

/** A parameter of a query. */
export interface QueryPair {
  /** In small letters, as PHP and Rack read it: `a[]` and `a[x]` are `a`; `.`, `-` and blanks are `_`. */
  readonly name: string;
  /** Decoded. */
  readonly value: string;
}

/** The parameters of a request target, as the most lenient application finds them. */
export function queryPairs(target: string): readonly QueryPair[] {
  // Behind an encoded question mark, too, there is a query to an origin that decodes first.
  const [, ...queries] = target.split(/\?|%(?:25)*3f/i);
  return queries
    .flatMap((query) => query.split(/[&;]/))
    .map((pair) => {
      const [name = '', ...value] = decoded(pair).split('=');
      return { name: nameOf(name), value: value.join('=') };
    });
}

function nameOf(text: string): string {
  return (text.trim().split(/[[\0]/, 1)[0] ?? '').toLowerCase().replace(/[ .-]/g, '_');
}

/** Only names in ASCII matter, so that a byte is as good as a character. */
function decoded(pair: string): string {
  let text = pair.replaceAll('+', ' ');
  for (let level = 0; level < MAX_DECODINGS && text.includes('%'); level += 1) {
    text = text.replace(/%([0-9a-f]{2})/gi, (_escape, code: string) => String.fromCharCode(Number.parseInt(code, 16)));
  }
  return text;
}
