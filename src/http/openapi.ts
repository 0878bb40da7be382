import * as z from 'zod';
import { problemDocument } from '../contract/problem.ts';
import type { Route } from './api-route.ts';
import { PROBLEMS } from './problem.ts';

/** Version of the HTTP contract. */
const CONTRACT_VERSION = '1';

const problem = problemDocument.extend({ code: z.string().meta({ enum: Object.keys(PROBLEMS) }) });

/** The OpenAPI 3.1 document of these routes, made from the schemas that validate requests. */
export function openApiDocument(routes: readonly Route[]): object {
  const paths: { [path: string]: { [method: string]: object } } = {};
  for (const route of routes) {
    const path = route.path.replace(/:(\w+)/g, '{$1}');
    const methods = route.method === '*' ? ['get', 'post'] : [route.method.toLowerCase()];
    for (const method of methods) paths[path] = { ...paths[path], [method]: operationOf(route) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Stepgate',
      version: CONTRACT_VERSION,
      description: 'Decides per request: allow, require step-up authentication, or deny.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    paths,
    components: {
      securitySchemes: {
        apiKey: {
          type: 'http',
          scheme: 'bearer',
          description: 'API key of a caller; each route names the right it needs',
        },
      },
      schemas: { Problem: schemaOf(problem, 'output') },
    },
  };
}

function operationOf(route: Route): object {
  const parameters = [
    ...[...route.path.matchAll(/:(\w+)/g)].map(([, name]) => ({
      name,
      in: 'path',
      required: true,
      schema: { type: 'string' },
    })),
    ...Object.entries(route.headers ?? {}).map(([name, description]) => ({
      name,
      in: 'header',
      description,
      schema: { type: 'string' },
    })),
  ];
  const answers = Object.entries(route.answers).map(([status, { description, schema }]) => [
    status,
    {
      description,
      ...(schema !== undefined && { content: { 'application/json': { schema: schemaOf(schema, 'output') } } }),
    },
  ]);
  const refusal = {
    description: 'A problem document (RFC 9457)',
    content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
  };
  return {
    summary: route.summary,
    ...(parameters.length > 0 && { parameters }),
    ...(route.body !== undefined && {
      requestBody: { required: true, content: { 'application/json': { schema: schemaOf(route.body, 'input') } } },
    }),
    responses: { ...Object.fromEntries(answers), default: refusal },
    // OpenAPI 3.1 takes names of roles here for schemes that know no scopes.
    ...(route.access !== 'public' && route.access !== 'own' && { security: [{ apiKey: [route.access] }] }),
  };
}

function schemaOf(schema: z.ZodType, io: 'input' | 'output'): object {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' });
  return rest;
}
