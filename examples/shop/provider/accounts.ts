import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import type { WebAuthnCredential } from '@simplewebauthn/server';

const derive = promisify<string, Buffer, number, Buffer>(scrypt);
const KEY_BYTES = 32;

/** Whose orders a person may see. */
export type Role = 'customer' | 'administrator';

/** One person at the provider. */
export interface Account {
  /** The `sub` of their tokens: never a name or an address, which can change hands. */
  readonly id: string;
  readonly userName: string;
  readonly name: string;
  readonly email: string;
  readonly role: Role;
  readonly password: { readonly salt: Buffer; readonly hash: Buffer };
  readonly passkeys: Map<string, WebAuthnCredential>;
}

/** The provider's users, in memory like the whole demo. */
export interface Accounts {
  byId(id: string): Account | null;
  byName(userName: string): Account | null;
  /** Removes all passkeys. */
  reset(): void;
  /** Null for a wrong password or an unknown name, in the same time. */
  withPassword(userName: string, password: string): Promise<Account | null>;
}

export interface NewAccount extends Pick<Account, 'id' | 'userName' | 'name' | 'email' | 'role'> {
  readonly plainPassword: string;
}

export async function openAccounts(people: readonly NewAccount[]): Promise<Accounts> {
  const accounts = await Promise.all(people.map(accountOf));
  const noAccount = await accountOf({
    id: '',
    userName: '',
    name: '',
    email: '',
    role: 'customer',
    plainPassword: randomBytes(16).toString('hex'),
  });
  const byName = (userName: string): Account | null =>
    accounts.find((candidate) => candidate.userName === userName.trim().toLowerCase()) ?? null;
  return {
    byId: (id) => accounts.find((account) => account.id === id) ?? null,
    byName,
    reset() {
      for (const { passkeys } of accounts) passkeys.clear();
    },
    async withPassword(userName, password) {
      const account = byName(userName);
      // Rejecting an unknown name takes as long as a wrong password, so that names cannot be probed.
      const { salt, hash } = (account ?? noAccount).password;
      const isRight = timingSafeEqual(await derive(password, salt, KEY_BYTES), hash);
      return isRight ? account : null;
    },
  };
}

async function accountOf({ plainPassword, ...person }: NewAccount): Promise<Account> {
  const salt = randomBytes(16);
  return {
    ...person,
    password: { salt, hash: await derive(plainPassword, salt, KEY_BYTES) },
    passkeys: new Map(),
  };
}
