// Refused publishing as facts: the first at once, the rest of a minute as one entry with a count.

import { type DenialWindow, openDenials } from '../../kernel/catalog/denials.ts'
import type { ModuleHost } from '../../kernel/catalog/module.ts'
import { asPolityError, type PolityError } from '../../kernel/errors.ts'
import { EventBlocked } from './facts.ts'
import type { LegacyMode } from './settings.ts'

const SENTENCE_MAX_CHARS = 512

export interface Blocking {
  /** Never rejects: a refusal stands whether or not it could be written down. */
  note(
    blocked: { readonly publisher: string; readonly type: string; readonly mode: LegacyMode },
    error: PolityError,
  ): Promise<void>
  close(): Promise<void>
}

export function openBlocking({
  env,
  record,
  onFailure,
}: Pick<ModuleHost, 'env' | 'record' | 'onFailure'>): Blocking {
  const windows: DenialWindow = openDenials(env, (error) => onFailure(asPolityError(error)))
  return {
    // Types are chosen by publishers: one window for all that the same one is refused with the same code.
    note: ({ publisher, type, mode }, { code, message }) =>
      windows.note({ key: `${publisher} ${code} ${mode}` }, (count) =>
        record([
          EventBlocked(
            { publisher, type, code, sentence: message.slice(0, SENTENCE_MAX_CHARS), count, mode },
            { subject: `mesh/${publisher}`.slice(0, SENTENCE_MAX_CHARS) },
          ),
        ]),
      ),
    close: () => windows.close(),
  }
}
