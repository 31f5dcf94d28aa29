// A Sequencer whose writer lives in a thread: proposals go over in bundles, answers come back in bundles.

import { Worker } from 'node:worker_threads'
import { asPolityError, errorFromWire, PolityError } from '../../errors.ts'
import type { Rotation } from '../../keys/rotation.ts'
import type { Proposal, Published, Receipt } from '../proposal.ts'
import type { OpenedSequencer } from '../sequencer.ts'
import type { Answer, FromWriter, ToWriter, WriterThreadData } from './messages.ts'

export interface ThreadListeners {
  readonly onPublished: (published: Published) => void
  readonly onFailure: (error: PolityError) => void
  /** The thread is gone without being asked, or another hub has moved the anchor: nothing can be written any more. */
  readonly onLost: (error: PolityError) => void
}

interface Waiting {
  readonly resolve: (value: never) => void
  readonly reject: (error: PolityError) => void
}

export async function openThreadedSequencer(
  data: WriterThreadData,
  listeners: ThreadListeners,
): Promise<OpenedSequencer> {
  const worker = new Worker(
    new URL(import.meta.url.endsWith('.ts') ? './writer-thread.ts' : './writer-thread.js', import.meta.url),
    {
      workerData: data,
      name: 'polity-writer',
    },
  )
  const waiting = new Map<number, Waiting>()
  let answers: Answer[] = []
  let nextId = 0
  let bundle: { id: number; proposal: Proposal }[] = []
  let isOpened = false
  let isClosing = false
  // Set once, when the thread has ended: nobody is left to answer.
  let lost: PolityError | undefined

  const send = (message: ToWriter) => worker.postMessage(message)
  const ask = <T>(post: (id: number) => void): Promise<T> =>
    new Promise<T>((resolve, reject) => {
      if (lost) return reject(lost)
      const id = nextId++
      waiting.set(id, { resolve: resolve as Waiting['resolve'], reject })
      post(id)
    })
  /** Callers go on a slice at a time: what the first ask for next is written while the others still think. */
  const settleSlice = () => {
    settle(waiting, answers.slice(0, SLICE_ANSWERS))
    answers = answers.slice(SLICE_ANSWERS)
    if (answers.length > 0) setImmediate(settleSlice)
  }
  const flush = () => {
    if (bundle.length === 0) return
    send({ kind: 'propose', items: bundle })
    bundle = []
  }

  const opened = new Promise<Extract<FromWriter, { readonly kind: 'opened' }>>((resolve, reject) => {
    const lose = (error: PolityError) => {
      if (lost) return
      lost = error
      reject(error)
      // What was written before stays written.
      settle(waiting, answers)
      answers = []
      for (const { reject: refuse } of waiting.values()) refuse(error)
      waiting.clear()
      if (isOpened && !isClosing) listeners.onLost(error)
    }
    worker.on('message', (message: FromWriter) => {
      switch (message.kind) {
        case 'opened':
          isOpened = true
          return resolve(message)
        case 'refused':
          return reject(errorFromWire(message.error))
        case 'answers':
          answers.push(...message.items)
          if (answers.length === message.items.length) settleSlice()
          return
        case 'published':
          return listeners.onPublished(message.published)
        case 'failure':
          return listeners.onFailure(errorFromWire(message.error))
        case 'lost':
          return listeners.onLost(errorFromWire(message.error))
      }
    })
    worker.on('error', (error) => lose(asPolityError(error, 'log.closed')))
    worker.on('exit', () => lose(new PolityError('log.closed', 'the writer thread has ended')))
  })

  const { vkey, cosignerVkey, isAnchorAdopted, ...first } = await opened.catch(async (error: unknown) => {
    // A thread that refused has nothing left to do, but may hold connections.
    await worker.terminate()
    throw error
  })
  let { vkeys } = first
  return {
    vkey,
    keys: {
      vkeys: () => vkeys,
      async prepare(claim) {
        const prepared = await ask<Prepared>((id) => send({ kind: 'prepare-key', id, claim }))
        vkeys = prepared.vkeys
        return prepared.rotation
      },
      async settle(keys) {
        vkeys = await ask<readonly string[]>((id) => send({ kind: 'settle-keys', id, keys }))
        return vkeys
      },
    },
    ...(cosignerVkey === undefined ? {} : { cosignerVkey }),
    isAnchorAdopted,
    propose: (proposal) =>
      ask<Receipt>((id) => {
        if (bundle.length === 0) queueMicrotask(flush)
        bundle.push({ id, proposal })
      }),
    sweep: (table, nowMs) => ask<number>((id) => send({ kind: 'sweep', id, table, nowMs })),
    async close() {
      isClosing = true
      // What was proposed before is written before.
      flush()
      try {
        if (!lost) await ask((id) => send({ kind: 'close', id }))
      } finally {
        await worker.terminate()
      }
    },
  }
}

const SLICE_ANSWERS = 16

interface Prepared {
  readonly rotation: Rotation
  readonly vkeys: readonly string[]
}

function settle(waiting: Map<number, Waiting>, answers: readonly Answer[]): void {
  for (const answer of answers) {
    const caller = waiting.get(answer.id)
    if (!caller) continue
    waiting.delete(answer.id)
    if ('error' in answer) caller.reject(errorFromWire(answer.error))
    else caller.resolve(answered(answer) as never)
  }
}

function answered(
  answer: Exclude<Answer, { readonly error: unknown }>,
): Receipt | Prepared | readonly string[] | number {
  if ('receipt' in answer) return answer.receipt
  if ('rotation' in answer) return answer
  return 'vkeys' in answer ? answer.vkeys : answer.count
}
