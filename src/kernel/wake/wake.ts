// The Wake port: tells those who wait, here and in other hubs, that there is something to look at.

import { PolityError } from '../errors.ts'

/**
 * Nothing travels but the topic's name, and a notification may be lost: whoever is woken looks for itself, and looks
 * again after its timeout.
 */
export interface Wake {
  /** Never waits and never fails. Throws `input.invalid` for a topic that cannot be one. */
  notify(topic: string): void
  /**
   * Resolves on a notification of the topic, after `timeoutMs`, or when the signal is aborted. One that came while
   * nobody waited for the topic is kept for the next who does. A port that is closed wakes everybody once, and
   * nobody afterwards.
   */
  wait(topic: string, signal: AbortSignal, timeoutMs: number): Promise<void>
  /** Whether notifications arrive by themselves; false: only timeouts wake. */
  isPushed(): boolean
  close(): Promise<void>
}

const TOPIC = /^[a-z0-9][a-z0-9._:-]{0,63}$/

/** Throws `input.invalid`. */
export function checkTopic(topic: string): void {
  if (!TOPIC.test(topic))
    throw new PolityError(
      'input.invalid',
      'a topic is 1 to 64 of a-z, 0-9 and ._:-, beginning with a-z or 0-9',
    )
}
