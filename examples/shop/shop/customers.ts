import { randomInt } from 'node:crypto';
import type { Order } from './pages.ts';
import type { Draft } from './session.ts';

/** The shop's customers, in memory like the whole demo. */
export interface Customers {
  /** Stores a customer at the first log-in; later the shop's e-mail address counts. */
  meet(subject: string, email: string): void;
  of(subject: string): { readonly email: string };
  changeEmail(subject: string, email: string): void;
  order(subject: string, draft: Draft, nowMs: number): Order;
  orderOf(number: string): Order | null;
  /** Newest first. */
  ordersOf(subject: string): readonly Order[];
  allOrders(): readonly Order[];
  /** Deletes all customers and orders. */
  reset(): void;
}

export function openCustomers(): Customers {
  const emails = new Map<string, string>();
  const orders = new Map<string, Order>();
  const newestFirst = (): Order[] => [...orders.values()].reverse();
  return {
    meet(subject, email) {
      if (!emails.has(subject)) emails.set(subject, email);
    },
    of: (subject) => ({ email: emails.get(subject) ?? '' }),
    changeEmail: (subject, email) => void emails.set(subject, email),
    order(subject, { lines, total }, placedMs) {
      let number: string;
      do number = `KL-${randomInt(100_000, 1_000_000)}`;
      while (orders.has(number));
      const order = { number, customer: subject, lines, total, placedMs };
      orders.set(number, order);
      return order;
    },
    orderOf: (number) => orders.get(number) ?? null,
    ordersOf: (subject) => newestFirst().filter(({ customer }) => customer === subject),
    allOrders: newestFirst,
    reset() {
      emails.clear();
      orders.clear();
    },
  };
}
