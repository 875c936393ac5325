#!/usr/bin/env node
// A channel of your own, whole: it puts each message into a file.

import { open } from 'node:fs/promises';
import { ConfigFault, serve } from './otn.js';

serve({
  name: 'letterbox-node',
  version: '1.0.0',
  schema: {
    type: 'object',
    properties: { file: { type: 'string', description: 'Where the messages go.' } },
    required: ['file'],
    additionalProperties: false,
  },
  capabilities: { max_in_flight: 64, simulated: true },
  async open(config) {
    const file = await open(config.file, 'a', 0o600).catch((err) => {
      throw new ConfigFault('file', `cannot be opened: ${err.code}`);
    });
    return {
      async send(delivery) {
        await file.appendFile(`${delivery.subscriber.id}: ${delivery.message.text}\n`);
      },
      close: () => file.close(),
    };
  },
});
