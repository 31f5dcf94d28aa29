// Governance for Express and whatever else takes (request, response, next) of node:http.

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Deed } from './client.ts'
import { follow, type Governed, openGoverning } from './governing.ts'

export interface ExpressGovernance<R extends IncomingMessage> extends Governed {
  /** The deed of a request; undefined: it is not governed. What it throws goes to `next`, and nothing is done. */
  readonly deedOf: (request: R) => Deed | undefined | Promise<Deed | undefined>
}

/** What Express adds: under a router, `url` has lost the prefix. */
interface Parsed {
  readonly body?: unknown
  readonly originalUrl?: string
}

/** `app.use(governance({ gate: { url, token }, deedOf }))`, behind the program's own authentication. */
export function governance<R extends IncomingMessage = IncomingMessage>({
  deedOf,
  ...governed
}: ExpressGovernance<R>) {
  const governing = openGoverning(governed)

  async function govern(request: R, response: ServerResponse): Promise<boolean> {
    const deed = await deedOf(request)
    if (deed === undefined) return true
    const parsed: R & Parsed = request
    const admission = await governing.admit(deed, {
      method: request.method,
      url: parsed.originalUrl ?? request.url,
      headers: request.headers,
      body: parsed.body,
    })
    if ('passage' in admission) return follow(admission.passage, response)
    const { status, headers, body } = admission.refusal
    response.writeHead(status, headers).end(body)
    return false
  }

  return (request: R, response: ServerResponse, next: (error?: unknown) => void): void => {
    govern(request, response).then((mayGoOn) => {
      if (mayGoOn) next()
    }, next)
  }
}
