// The witness over HTTP: other logs bring their checkpoints, everybody reads what was cosigned (C2SP tlog-witness, tlog-policy).

import { PolityError } from '../../kernel/errors.ts'
import { Type } from '../../kernel/schema/schema.ts'
import { MAX_ADD_CHECKPOINT_BYTES, SIZE_MEDIA_TYPE } from '../../kit/tlog-witness.ts'
import { type HttpAnswer, type HttpRequest, type Route, type RouteDoc, text } from './route.ts'
import type { ServedHub } from './served-hub.ts'

type Served = Pick<ServedHub, 'log' | 'witness'>

export function witnessRoutes({ log, witness }: Served): Route[] {
  const read = { method: 'GET', class: 'log', access: 'open' } as const
  return [
    {
      method: 'POST',
      path: '/log/witness/add-checkpoint',
      class: 'log',
      // "There is no authentication of requests beyond the validation of the signature on the checkpoint."
      access: 'open',
      takesBytes: true,
      bodySizeMaxBytes: MAX_ADD_CHECKPOINT_BYTES,
      docs: [ADD_CHECKPOINT],
      handle: (request) => addCheckpoint(witness, request),
    },
    {
      ...read,
      path: '/log/witness/vkey',
      docs: [
        plain('witness.vkey', 'The key with which this hub cosigns other logs (C2SP tlog-cosignature).'),
      ],
      handle: () => text(200, `${witness.vkey}\n`, { 'cache-control': 'no-cache' }),
    },
    {
      ...read,
      path: '/log/witness/{origin}/checkpoint',
      docs: [
        {
          ...plain('witness.checkpoint', 'The newest checkpoint of another log that this hub has cosigned.'),
          parameters: [
            {
              name: 'origin',
              in: 'path',
              description: 'SHA-256 of the origin, lowercase hex',
              isRequired: true,
              schema: Type.String(),
            },
          ],
          errors: ['not-found'],
        },
      ],
      handle: async ({ params: { origin = '' } }) =>
        text(200, await witness.latest(origin), { 'cache-control': 'no-cache' }),
    },
    {
      ...read,
      path: '/log/policy',
      docs: [
        {
          ...plain('log.policy', 'Who must cosign this log (C2SP tlog-policy).'),
          errors: ['not-found'],
        },
      ],
      handle: () =>
        text(200, present(witness.policy(), 'no policy was set'), { 'cache-control': 'no-cache' }),
    },
    {
      ...read,
      path: '/log/checkpoint/witnessed',
      docs: [
        {
          ...plain('log.witnessed', 'The largest checkpoint that a quorum of witnesses has cosigned.'),
          errors: ['not-found'],
        },
      ],
      handle: () =>
        text(200, present(log.witnessed.current()?.checkpoint, 'no checkpoint is witnessed'), {
          'cache-control': 'no-cache',
        }),
    },
  ]
}

async function addCheckpoint(
  witness: ServedHub['witness'],
  { body }: Pick<HttpRequest, 'body'>,
): Promise<HttpAnswer> {
  try {
    const lines = await witness.addCheckpoint(body instanceof Uint8Array ? body : new Uint8Array(0))
    return text(200, lines, { 'cache-control': 'no-store' })
  } catch (error) {
    if (!(error instanceof PolityError) || error.code !== 'witness.conflict') throw error
    // "The response body MUST consist of the tree size of the latest cosigned checkpoint in decimal".
    return {
      status: error.status,
      headers: { 'content-type': SIZE_MEDIA_TYPE, 'cache-control': 'no-store' },
      body: `${error.facts.size}\n`,
    }
  }
}

function present(value: string | undefined, absence: string): string {
  if (value === undefined) throw new PolityError('not-found', absence)
  return value
}

const plain = (operationId: string, summary: string): RouteDoc => ({
  operationId,
  summary,
  tag: 'log',
  answers: { 200: { description: 'Text.', mediaType: 'text/plain', schema: Type.String() } },
  errors: [],
})

const ADD_CHECKPOINT: RouteDoc = {
  operationId: 'witness.add-checkpoint',
  summary: 'Cosigns a checkpoint of an admitted log; the body is that of C2SP tlog-witness.',
  tag: 'log',
  answers: {
    200: { description: 'Signature lines.', mediaType: 'text/plain', schema: Type.String() },
    409: {
      description: 'The size that was cosigned last.',
      mediaType: SIZE_MEDIA_TYPE,
      schema: Type.String(),
    },
  },
  errors: [
    'input.malformed',
    'body.too-large',
    'witness.unknown-log',
    'witness.signature',
    'witness.inconsistent',
    'limit',
    'log.saturated',
  ],
}
