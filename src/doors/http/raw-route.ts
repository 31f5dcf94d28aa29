// Routes that stream: they see the request as Node has it, and write the answer by themselves once they begin.

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Caller } from '../../kernel/catalog/caller.ts'
import type { RouteClass } from './route.ts'

export interface RawRequest {
  readonly id: string
  readonly caller: Caller
  readonly raw: IncomingMessage
  readonly response: ServerResponse
  /** Takes the response over. What is thrown before is answered as a problem. */
  readonly begin: () => ServerResponse
  /** Takes the door's bound off the body; what is answered puts it on again, for what is still to come. */
  readonly unbindBody: () => () => void
}

export interface RawRoute {
  /** Fastify's pattern; every method comes here, for principals only. */
  readonly path: string
  readonly class: RouteClass
  /** Resolves when the answer is over. */
  readonly handle: (request: RawRequest) => Promise<void>
}
