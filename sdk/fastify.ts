// Governance for Fastify: every request of the routes below is decided before its handler and reported after its answer.

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Deed } from './client.ts'
import { follow, type Governed, openGoverning } from './governing.ts'

export interface FastifyGovernance extends Governed {
  /**
   * The deed of a request; undefined: it is not governed. Called after `onRequest` and the parsing of the body, so that the
   * program's own authentication has said who it is. What it throws is the request's error, and nothing is done.
   */
  readonly deedOf: (request: FastifyRequest) => Deed | undefined | Promise<Deed | undefined>
}

/** `await app.register(governance({ gate: { url, token }, deedOf }))`, before the routes that it is for. */
export function governance({ deedOf, ...governed }: FastifyGovernance) {
  const governing = openGoverning(governed)

  const plugin = async (app: FastifyInstance): Promise<void> => {
    app.addHook('preHandler', async (request: FastifyRequest, reply: FastifyReply) => {
      const deed = await deedOf(request)
      if (deed === undefined) return
      const admission = await governing.admit(deed, {
        method: request.method,
        url: request.originalUrl,
        headers: request.headers,
        body: request.body,
      })
      if ('passage' in admission) {
        if (follow(admission.passage, reply.raw)) return
        return reply.hijack()
      }
      const { status, headers, body } = admission.refusal
      return reply.code(status).headers(headers).send(body)
    })
  }
  // What Fastify looks for in a plugin that is meant for the instance that registers it, and not for one of its own.
  return Object.assign(plugin, { [Symbol.for('skip-override')]: true })
}
