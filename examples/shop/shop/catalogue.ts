/** Something to buy. */
export interface Product {
  readonly id: string;
  readonly name: string;
  readonly line: string;
  readonly text: string;
  /** In cents. */
  readonly price: number;
  /** Which drawing shows it, and in which colour. */
  readonly art: 'tin' | 'cup' | 'pot' | 'kettle' | 'samovar';
  readonly hue: number;
}

export const CATALOGUE: readonly Product[] = [
  {
    id: 'assam',
    name: 'Assam Second Flush',
    line: 'Malty, dark, 100 g',
    text: 'Whole leaves from a single garden near Jorhat, rolled in June. Takes milk, and forgives a forgotten timer.',
    price: 950,
    art: 'tin',
    hue: 22,
  },
  {
    id: 'sencha',
    name: 'Sencha of the First Pick',
    line: 'Grassy, bright, 80 g',
    text: 'Steamed within hours of picking. Seventy degrees and one minute are enough.',
    price: 1200,
    art: 'tin',
    hue: 135,
  },
  {
    id: 'earl-grey',
    name: 'Earl Grey, real bergamot',
    line: 'Citrus, light, 100 g',
    text: 'Oil of Calabrian bergamots on a Ceylon that is not drowned by it.',
    price: 850,
    art: 'tin',
    hue: 245,
  },
  {
    id: 'cup',
    name: 'Stoneware Cup',
    line: '200 ml, without handle',
    text: 'Turned by hand, so no two are alike. Warm in the palm and cool at the rim.',
    price: 1800,
    art: 'cup',
    hue: 200,
  },
  {
    id: 'pot',
    name: 'Cast-iron Pot',
    line: '0.8 l, enamelled inside',
    text: 'Keeps four cups warm for an hour. Heavier than it looks.',
    price: 7400,
    art: 'pot',
    hue: 350,
  },
  {
    id: 'kettle',
    name: 'Gooseneck Kettle',
    line: '1 l, holds any degree',
    text: 'Pours a line as thin as a thread, at the temperature that the leaf wants.',
    price: 12_900,
    art: 'kettle',
    hue: 180,
  },
  {
    id: 'samovar',
    name: 'Copper Samovar',
    line: '5 l, made to order',
    text: 'Beaten from one sheet in Tula. For when everybody comes.',
    price: 64_000,
    art: 'samovar',
    hue: 28,
  },
];

export function productOf(id: string): Product | null {
  return CATALOGUE.find((product) => product.id === id) ?? null;
}

/** `€ 9.50` of 950 cents. */
export function money(cents: number): string {
  return `€ ${(cents / 100).toFixed(2)}`;
}
