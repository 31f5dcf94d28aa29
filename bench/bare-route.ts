// What HTTP itself costs: a Fastify route that parses what it is sent, decides nothing, and answers the bytes of its argument.

import process from 'node:process'
import { fastify } from 'fastify'

const [, , answer = ''] = process.argv
const app = fastify()
app.post('/v1/decisions', (_request, reply) => {
  reply.type('application/json; charset=utf-8').send(answer)
})
process.stdout.write(`${await app.listen({ port: 0, host: '127.0.0.1' })}\n`)
