// What a client comes again with: the id of a suspended decision, sealed to the request that it was asked for, or a key of its own.

import { createHmac, timingSafeEqual } from 'node:crypto'

export interface Tickets {
  /** @param form of the request, deed included: what people agree to serves for this one alone */
  issue(decision: string, form: string): string
  /** The decision; undefined for a ticket that is none, or of another request. */
  read(ticket: string, form: string): string | undefined
  /** What a client's own key is called at the hub: another name than that of anybody else's, and of the program's own keys. */
  keyOf(owner: string, key: string): string
  /** Of a request: the same for the same one, and nobody can search it for what was sent. */
  sealOf(form: string): string
}

const TICKET = /^([0-9a-z-]{1,64})\.([A-Za-z0-9_-]{43})$/

/**
 * Nothing is kept: whoever has the secret reads what another process issued, so what waits for people outlives a restart,
 * and another instance of the program may go on with it.
 */
export function openTickets(secret: string | Uint8Array): Tickets {
  // Of its own, so that no ticket says anything about whatever else the secret is for.
  const keyFor = (purpose: string) => createHmac('sha256', secret).update(`polity ${purpose} 1`).digest()
  const [key, naming, sealing] = [keyFor('ticket'), keyFor('idempotency key'), keyFor('request')]
  const sealOf = (decision: string, form: string) =>
    createHmac('sha256', key).update(`${decision}\n${form}`).digest()
  return {
    issue: (decision, form) => `${decision}.${sealOf(decision, form).toString('base64url')}`,
    read(ticket, form) {
      const [, decision = '', seal = ''] = TICKET.exec(ticket) ?? []
      const given = Buffer.from(seal, 'base64url')
      const expected = sealOf(decision, form)
      return given.length === expected.length && timingSafeEqual(given, expected) ? decision : undefined
    },
    keyOf: (owner, named) =>
      createHmac('sha256', naming)
        .update(JSON.stringify([owner, named]))
        .digest('base64url'),
    sealOf: (form) => createHmac('sha256', sealing).update(form).digest('base64url'),
  }
}
