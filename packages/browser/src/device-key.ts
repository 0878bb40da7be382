import { DEVICE_PROOF_HEADER } from '../../../src/contract/client-headers.ts';

export { DEVICE_PROOF_HEADER };

/** Proves possession of the key that this browser keeps for the page's origin. */
export interface DeviceProver {
  /**
   * Value of `X-Stepgate-Device-Proof` for a request: a JWT that names its method and URL, good for a few minutes. Null where the
   * browser cannot keep a key: an old one, no secure context, blocked or private storage. Never rejects.
   */
  prove(request: Pick<Request, 'method' | 'url'>): Promise<string | null>;
  /** Takes the clock of a server from the `Date` of a response that is not from a cache, for a browser whose own is off. */
  setClock(response: Pick<Response, 'headers'>): void;
}

interface PageKey {
  readonly privateKey: CryptoKey;
  /** Header of its proofs, encoded. */
  readonly head: string;
}

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256' };
const DATABASE = 'stepgate';
const STORE = 'keys';
const NAME = 'device';
/** Storage that hangs is storage that is not there. */
const TIMEOUT_MS = 1000;
/** How many proofs look for a key until there is one. */
const MAX_LOOKS = 3;
/** A proof serves the requests of a method and URL for this long. The service takes it for five minutes. */
const REUSE_MS = 60_000;
/** Proofs that are kept for that; a page asks for few URLs in a minute. */
const MAX_KEPT = 32;

/**
 * Makes a prover over one P-256 key for each origin and browser profile, kept in IndexedDB: scripts of the page can use it and never
 * read it. The key is made with the first proof.
 */
export function deviceProver(): DeviceProver {
  let looks = 0;
  let key: Promise<PageKey | null> | null = null;
  let aheadMs = 0;
  const kept = new Map<string, { readonly jws: string; readonly until: number }>();

  const pageKey = (): Promise<PageKey | null> => {
    if (key !== null) return key;
    looks += 1;
    const looked = Promise.race([findKey(), nothingAfter(TIMEOUT_MS)]).catch(() => null);
    key = looked;
    void looked.then((found) => {
      if (found === null && looks < MAX_LOOKS) key = null;
    });
    return looked;
  };

  return {
    async prove({ method, url }) {
      try {
        const { origin, pathname } = new URL(url);
        const name = `${method} ${origin}${pathname}`;
        const now = Date.now();
        const before = kept.get(name);
        if (before !== undefined && now < before.until) return before.jws;
        const found = await pageKey();
        if (found === null) return null;
        const iat = Math.floor((now + aheadMs) / 1000);
        const jws = await signed(found, { htm: method, htu: origin + pathname, iat, jti: randomId() });
        if (kept.size >= MAX_KEPT) kept.clear();
        kept.set(name, { jws, until: now + REUSE_MS });
        return jws;
      } catch {
        return null;
      }
    },
    setClock({ headers }) {
      const at = Date.parse(headers.get('Date') ?? '');
      if (Number.isNaN(at)) return;
      aheadMs = at - Date.now();
      kept.clear();
    },
  };
}

async function findKey(): Promise<PageKey> {
  const database = await settled(openDatabase());
  try {
    const stored = await settled(database.transaction(STORE).objectStore(STORE).get(NAME));
    return await withHead(isPair(stored) ? stored : await makeKey(database));
  } finally {
    database.close();
  }
}

/** Of two tabs that make a key at once, the second finds that of the first. */
async function makeKey(database: IDBDatabase): Promise<CryptoKeyPair> {
  const pair = await crypto.subtle.generateKey(ALGORITHM, false, ['sign', 'verify']);
  const keys = database.transaction(STORE, 'readwrite').objectStore(STORE);
  const stored = await settled(keys.get(NAME));
  if (isPair(stored)) return stored;
  await settled(keys.put(pair, NAME));
  return pair;
}

function isPair(stored: unknown): stored is CryptoKeyPair {
  return typeof stored === 'object' && stored !== null && 'privateKey' in stored && 'publicKey' in stored;
}

async function withHead({ privateKey, publicKey }: CryptoKeyPair): Promise<PageKey> {
  const { kty, crv, x, y } = await crypto.subtle.exportKey('jwk', publicKey);
  return { privateKey, head: encoded({ typ: 'stepgate-device-proof+jwt', alg: 'ES256', jwk: { kty, crv, x, y } }) };
}

async function signed({ privateKey, head }: PageKey, claims: object): Promise<string> {
  const text = `${head}.${encoded(claims)}`;
  const hash = { name: 'ECDSA', hash: 'SHA-256' };
  return `${text}.${base64url(await crypto.subtle.sign(hash, privateKey, new TextEncoder().encode(text)))}`;
}

function openDatabase(): IDBOpenDBRequest {
  const opening = indexedDB.open(DATABASE, 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
  return opening;
}

function settled<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function nothingAfter(ms: number): Promise<null> {
  return new Promise((resolve) => {
    setTimeout(() => resolve(null), ms);
  });
}

function randomId(): string {
  return base64url(crypto.getRandomValues(new Uint8Array(12)).buffer);
}

function encoded(value: object): string {
  return base64url(new TextEncoder().encode(JSON.stringify(value)).buffer);
}

function base64url(bytes: ArrayBuffer): string {
  return btoa(String.fromCharCode(...new Uint8Array(bytes)))
    .replace(/\+/g, '-')
    .replace(/\//g, '_')
    .replace(/=/g, '');
}
