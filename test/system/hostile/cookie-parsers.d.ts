declare module 'cookie-0.4' {
  export function parse(header: string, options?: { decode(text: string): string }): { [name: string]: string };
}
declare module 'cookie-0.7' {
  export function parse(header: string): { [name: string]: string };
}
declare module 'cookies' {
  export default class Cookies {
    constructor(request: { headers: { cookie: string }; socket: object }, response: object);
    get(name: string): string | undefined;
  }
}
