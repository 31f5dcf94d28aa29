// A small table of settings, with one of each kind, for tests.

import { Secret, Type } from '../schema/schema.ts'
import { setting, settingTable } from './setting.ts'

const DATA = setting('data', Type.String({ minLength: 1 }), {
  summary: 'folder',
  fallback: '.polity',
  flag: 'data',
  reload: 'restart',
})
const ENVIRONMENT = setting('environment', Type.String(), {
  summary: 'overlay',
  reload: 'restart',
})
export const PORT = setting('http.port', Type.Integer({ minimum: 0, maximum: 65_535 }), {
  summary: 'port',
  fallback: 7070,
  flag: 'port',
  formerly: 'POLITY_PORT',
  aliases: [{ variable: 'PROMETHEUS_PORT', meaning: 'port of the planner' }],
  reload: 'restart',
})
export const LEVEL = setting('log.level', Type.Union([Type.Literal('warn'), Type.Literal('debug')]), {
  summary: 'level',
  fallback: 'warn',
  aliases: [{ variable: 'MNO_LOG_LEVEL', meaning: 'level', translate: (text) => text.toLowerCase() }],
  reload: 'live',
})
export const ALLOW = setting('egress.allow', Type.Array(Type.String()), {
  summary: 'networks',
  fallback: [],
  isGuarded: true,
  reload: 'live',
})
const COMMAND = setting('signer.command', Type.Array(Type.String(), { minItems: 1 }), {
  summary: 'program',
  isGuarded: true,
  isJsonText: true,
  reload: 'restart',
})
export const TOKEN = setting('archive.token', Secret(), { summary: 'secret', reload: 'restart' })
export const STORE = setting('store', Type.String(), { summary: 'database', reload: 'restart' })
const ML_DSA = setting('signer.mlDsa', Type.Boolean(), {
  summary: 'switch',
  fallback: false,
  reload: 'restart',
})

export const TABLE = settingTable([DATA, ENVIRONMENT, PORT, LEVEL, ALLOW, COMMAND, TOKEN, STORE, ML_DSA])
export const KEYS = { data: DATA.key, environment: ENVIRONMENT.key }
