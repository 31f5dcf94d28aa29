// A token that two owners agree to, over HTTP, by a client that draws its own secret.

import { createHash, randomBytes } from 'node:crypto'
import { expect, it } from 'vitest'
import { clientOf } from '../../src/doors/http/fixtures/client.ts'
import { serve } from '../../src/doors/http/fixtures/served.ts'
import { openHub } from '../../src/hub.ts'
import { state } from '../../src/modules/state/module.ts'

/** As docs/approvals.md tells it, with nothing of the hub's own code. */
function drawn() {
  const secret = randomBytes(32).toString('base64url')
  const secretDigest = createHash('sha256').update(secret).digest('hex')
  return { secretDigest, token: `pol_${secretDigest.slice(0, 16)}_${secret}` }
}

it('is good once the other one has agreed, and the same key gets its answer', async () => {
  await using served = await serve(await openHub({ modules: [state] }))
  const create = (input: object, key?: string) =>
    served.owner('/v1/actions/token.create', {
      method: 'POST',
      headers: key === undefined ? {} : { 'idempotency-key': key },
      body: { input },
    })
  const second = drawn()
  const bob = { kind: 'user', id: 'bob', roles: ['owner'], secretDigest: second.secretDigest }
  expect((await create(bob)).json).toMatchObject({ status: 'done' })
  const asBob = clientOf(served.url, second.token)

  const third = drawn()
  const cyd = { kind: 'user', id: 'cyd', roles: ['owner'] }
  const early = await create(cyd, 'k')
  expect([early.status, early.json]).toMatchObject([
    409,
    { code: 'approvals.answer-lost', obligations: ['owner:1'] },
  ])
  const input = { ...cyd, secretDigest: third.secretDigest }
  const asked = await create(input, 'k')
  expect([asked.status, asked.json]).toMatchObject([202, { status: 'suspended', obligations: ['owner:1'] }])
  const { approval } = asked.json as { approval: string }
  expect((await asBob(String(asked.headers.location))).json).toMatchObject({ input })

  const vote = (by: typeof asBob) =>
    by('/v1/actions/approvals.approve', { method: 'POST', body: { input: { approval } } })
  expect(await vote(served.owner)).toMatchObject({ status: 403, json: { code: 'approvals.self' } })
  expect(await vote(asBob)).toMatchObject({ status: 200 })
  const asCyd = clientOf(served.url, third.token)
  await expect.poll(async () => (await asCyd('/v1/state/ns')).status).not.toBe(401)

  const again = await create(input, 'k')
  expect([again.status, again.json]).toMatchObject([200, { status: 'done' }])
  expect((again.json as { output: unknown }).output).toEqual({
    id: third.secretDigest.slice(0, 16),
    principal: { kind: 'user', id: 'cyd', roles: ['owner'] },
  })
  const other = await create({ ...cyd, secretDigest: drawn().secretDigest }, 'k')
  expect([other.status, other.json]).toMatchObject([409, { code: 'idempotency.conflict' }])
  const taken = await create({ kind: 'agent', id: 'x', secretDigest: third.secretDigest })
  expect([taken.status, taken.json]).toMatchObject([409, { code: 'token.digest-used' }])
})
