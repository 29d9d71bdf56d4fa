import Dispatch
import Synchronization

/// One accepted connection. It blocks on a thread of its own queue, never on one of the concurrency pool, and reads on
/// only when the call before was answered: a caller who sends ahead waits in the kernel's buffer.
final class VarlinkConnection: Sendable {
    private struct Input: Sendable {
        var framing: VarlinkFraming
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        var ready: [[UInt8]] = []
    }

    private let descriptor: Int32
    private let queue = DispatchQueue(label: "outrider.varlink.connection")
    private let input: Mutex<Input>

    init(descriptor: Int32, limits: VarlinkLimits) {
        self.descriptor = descriptor
        input = Mutex(Input(framing: VarlinkFraming(bytesMax: limits.messageBytesMax)))
    }

    /// The next message; nil when the peer is gone, sent too much, or ``stop()`` was called.
    func next() async -> [UInt8]? {
        await withCheckedContinuation { done in
            queue.async { done.resume(returning: self.read()) }
        }
    }

    private func read() -> [UInt8]? {
        input.withLock { input in
            while input.ready.isEmpty {
                guard LocalSocket.waitReadable(descriptor, milliseconds: -1) else { continue }
                switch LocalSocket.receive(descriptor, into: &input.buffer) {
                case .again: continue
                case .end, .failed: return nil
                case .bytes(let bytes):
                    guard let found = input.framing.messages(from: bytes) else { return nil }
                    input.ready += found
                }
            }
            return input.ready.removeFirst()
        }
    }

    /// False when the peer is gone or does not read.
    func send(_ bytes: [UInt8]) async -> Bool {
        await withCheckedContinuation { done in
            queue.async { done.resume(returning: LocalSocket.send(bytes, to: self.descriptor) == 0) }
        }
    }

    /// Wakes whoever waits in ``next()``.
    func stop() { LocalSocket.shutDown(descriptor) }

    /// Only after the last ``next()`` or ``send(_:)`` has returned.
    func close() { LocalSocket.close(descriptor) }
}
