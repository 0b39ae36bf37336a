/**
 * A real Apache Kafka broker for tests: one KRaft node in one JVM on free loopback ports, from the jars that
 *     mvn -q -f test/kafka/pom.xml dependency:copy-dependencies
 * has fetched. Flushes every message, so that a killed broker has what it acknowledged.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { assetPath, assetText } from '../../lib/assets.js';

/** The version to run: KAFKA_VERSION, or the one the POM names. */
export function kafkaVersion(): string {
  const pinned = /<kafka.version>(.*)<\/kafka.version>/.exec(assetText('test/kafka/pom.xml'))?.[1];
  return process.env['KAFKA_VERSION'] ?? pinned ?? 'unknown';
}

/** Why tests that need a broker cannot run here; false when they can. */
export function kafkaSkip(): string | false {
  if (existsSync(jarsDir())) return false;
  return `no jars of Kafka ${kafkaVersion()}: mvn -q -f test/kafka/pom.xml dependency:copy-dependencies -Dkafka.version=${kafkaVersion()}`;
}

function jarsDir(): string {
  return assetPath(`test/kafka/target/${kafkaVersion()}`);
}

export interface BrokerSecurity {
  readonly username: string;
  readonly password: string;
}

export class KafkaBroker {
  readonly port: number;
  readonly #dir: string;
  #process: ChildProcess | undefined;

  private constructor(dir: string, port: number) {
    this.#dir = dir;
    this.port = port;
  }

  /** Formats and starts a broker; with `security` it speaks TLS and SASL (plain and SCRAM) only. */
  static async start(security?: BrokerSecurity): Promise<KafkaBroker> {
    const dir = mkdtempSync(join(tmpdir(), 'swa-kafka-'));
    const port = await freePort();
    const broker = new KafkaBroker(dir, port);
    if (security !== undefined) makeKeystore(dir, security.password);
    writeFileSync(join(dir, 'server.properties'), properties(dir, port, await freePort(), security));
    const scram = security === undefined ? [] : ['SCRAM-SHA-256', 'SCRAM-SHA-512'].flatMap((mechanism) => ['--add-scram', `${mechanism}=[name=${security.username},password=${security.password}]`]); // prettier-ignore
    java(dir, 'kafka.tools.StorageTool', ['format', '-t', 'c3dhLXRlc3QtY2x1c3RlcA', '-c', 'server.properties', ...scram]); // prettier-ignore
    await broker.resume();
    return broker;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** PEM of the certificate the broker shows; only with security. */
  get caFile(): string {
    return join(this.#dir, 'ca.pem');
  }

  /** Starts the stopped broker again, on the same port and data. */
  async resume(): Promise<void> {
    const args = ['-Xms256m', '-Xmx512m', '-XX:ActiveProcessorCount=2', '-XX:+UseSerialGC'];
    const logs = ['-Dorg.slf4j.simpleLogger.defaultLogLevel=warn'];
    const child = spawn('java', [...args, ...logs, '-cp', classPath(), 'kafka.Kafka', 'server.properties'], {
      cwd: this.#dir,
      stdio: 'ignore',
      env: { ...process.env, LOG_DIR: this.#dir },
    });
    this.#process = child;
    process.once('exit', () => child.kill('SIGKILL')); // a test that ends badly leaves no broker behind
    const deadline = performance.now() + 60_000;
    while (!(await canConnect(this.port))) {
      if (child.exitCode !== null || performance.now() > deadline) {
        throw new Error(`Kafka does not start (exit code ${child.exitCode})`);
      }
      await sleep(100);
    }
  }

  /** Ends it, as an operator would or as a crash does. */
  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined || child.exitCode !== null) return;
    child.kill(signal);
    await once(child, 'exit');
  }

  async dispose(): Promise<void> {
    await this.stop('SIGKILL');
    rmSync(this.#dir, { recursive: true, force: true });
  }
}

function classPath(): string {
  return join(jarsDir(), '*');
}

function java(dir: string, main: string, args: readonly string[]): void {
  const { status, stderr, stdout } = spawnSync('java', ['-Xmx256m', '-cp', classPath(), main, ...args], {
    cwd: dir,
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`${main} ${args[0]} failed: ${stdout}${stderr}`);
}

function properties(dir: string, port: number, controllerPort: number, security?: BrokerSecurity): string {
  const protocol = security === undefined ? 'PLAINTEXT' : 'SASL_SSL';
  mkdirSync(join(dir, 'data'));
  const lines = [
    'process.roles=broker,controller',
    'node.id=1',
    `controller.quorum.voters=1@127.0.0.1:${controllerPort}`,
    `listeners=CLIENT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    `advertised.listeners=CLIENT://127.0.0.1:${port}`,
    `listener.security.protocol.map=CLIENT:${protocol},CONTROLLER:PLAINTEXT`,
    'controller.listener.names=CONTROLLER',
    'inter.broker.listener.name=CLIENT',
    `log.dirs=${join(dir, 'data')}`,
    'log.flush.interval.messages=1',
    'offsets.topic.replication.factor=1',
    'offsets.topic.num.partitions=3',
    'transaction.state.log.replication.factor=1',
    'transaction.state.log.min.isr=1',
    'group.initial.rebalance.delay.ms=0',
    'auto.create.topics.enable=false',
    'log.retention.check.interval.ms=500',
    'log.initial.task.delay.ms=500',
    'share.coordinator.state.topic.replication.factor=1',
    'share.coordinator.state.topic.min.isr=1',
  ];
  if (security === undefined) return lines.join('\n');
  const { username, password } = security;
  const plain = `org.apache.kafka.common.security.plain.PlainLoginModule required username="${username}" password="${password}" user_${username}="${password}";`;
  const scram = 'org.apache.kafka.common.security.scram.ScramLoginModule required;';
  return [
    ...lines,
    'sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
    'sasl.mechanism.inter.broker.protocol=PLAIN',
    `listener.name.client.plain.sasl.jaas.config=${plain}`,
    `listener.name.client.scram-sha-256.sasl.jaas.config=${scram}`,
    `listener.name.client.scram-sha-512.sasl.jaas.config=${scram}`,
    `ssl.keystore.location=${join(dir, 'keystore.p12')}`,
    'ssl.keystore.type=PKCS12',
    `ssl.keystore.password=${password}`,
    `ssl.truststore.location=${join(dir, 'keystore.p12')}`,
    'ssl.truststore.type=PKCS12',
    `ssl.truststore.password=${password}`,
    'ssl.endpoint.identification.algorithm=',
  ].join('\n');
}

/** A self-signed certificate for 127.0.0.1, as keystore and as PEM. */
function makeKeystore(dir: string, password: string): void {
  const store = ['-keystore', join(dir, 'keystore.p12'), '-storetype', 'PKCS12', '-storepass', password];
  const keytool = (args: string[]) => {
    const { status, stdout } = spawnSync('keytool', [...args, ...store], { encoding: 'utf8' });
    if (status !== 0) throw new Error(`keytool failed: ${stdout}`);
  };
  keytool(['-genkeypair', '-alias', 'b', '-keyalg', 'RSA', '-keysize', '2048', '-dname', 'CN=127.0.0.1', '-ext', 'san=ip:127.0.0.1', '-validity', '2']); // prettier-ignore
  keytool(['-exportcert', '-rfc', '-alias', 'b', '-file', join(dir, 'ca.pem')]);
  if (!readFileSync(join(dir, 'ca.pem'), 'utf8').includes('CERTIFICATE')) throw new Error('no certificate');
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true));
    socket.once('error', () => resolve(false));
    socket.once('close', () => socket.destroy());
    socket.once('connect', () => socket.end());
  });
}
