// The services that an analysis is carried to, by priority.

import { legioCognito } from './legio-cognito/legio-cognito.ts'
import type { Service } from './service.ts'
import { shadowScrolls } from './shadow-scrolls/shadow-scrolls.ts'
import { swarmEngine } from './swarm-engine/swarm-engine.ts'
import { triumvirateMonitor } from './triumvirate-monitor/triumvirate-monitor.ts'

export const SERVICE_LIST: readonly Service[] = [shadowScrolls, legioCognito, swarmEngine, triumvirateMonitor]
