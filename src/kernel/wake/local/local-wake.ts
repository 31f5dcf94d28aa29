// The Wake of one process: whoever waits is woken by whoever notifies, and by nobody else.

import type { Env } from '../../env.ts'
import { openWaiters } from '../waiters.ts'
import { checkTopic, type Wake } from '../wake.ts'

export function localWake(env: Env): Wake {
  const waiters = openWaiters(env)
  return {
    notify(topic) {
      checkTopic(topic)
      waiters.wake(topic)
    },
    wait: waiters.wait,
    isPushed: () => true,
    async close() {
      waiters.close()
    },
  }
}
