/** The one function of json-logic-js that the bench calls; the package ships no types. */
declare module 'json-logic-js' {
  export type RulesLogic = { readonly [operator: string]: unknown };
  const jsonLogic: { apply(logic: RulesLogic, data: unknown): unknown };
  export default jsonLogic;
}
