import Dispatch
import Synchronization

/// One accepted connection. It waits without a thread, and reads on only when the call before was answered: a caller who
/// sends ahead waits in the kernel's buffer.
///
/// What can be done at once is done on the caller's own thread: the call of a hook has mostly arrived when its connection
/// is accepted, and the answer fits the socket's buffer.
final class VarlinkConnection: Sendable {
    private struct Input: Sendable {
        var framing: VarlinkFraming
        var buffer = [UInt8](repeating: 0, count: 1 << 14)
        var ready: [[UInt8]] = []
    }

    /// What one look at the socket found.
    private enum Found {
        case message([UInt8])
        case nothingYet
        case end
    }

    private let descriptor: Int32
    private let waiter: SocketWaiter
    private let input: Mutex<Input>

    init(descriptor: Int32, waiter: SocketWaiter, limits: VarlinkLimits) {
        self.descriptor = descriptor
        self.waiter = waiter
        input = Mutex(Input(framing: VarlinkFraming(bytesMax: limits.messageBytesMax)))
    }

    /// The next message; nil when the peer is gone, sent too much, or ``stop()`` was called.
    func next() async -> [UInt8]? {
        while true {
            switch look() {
            case .message(let message): return message
            case .end: return nil
            case .nothingYet: guard await waiter.readable(descriptor) else { return nil }
            }
        }
    }

    private func look() -> Found {
        input.withLock { input in
            while input.ready.isEmpty {
                switch LocalSocket.receive(descriptor, into: &input.buffer) {
                case .again: return .nothingYet
                case .end, .failed: return .end
                case .bytes(let bytes):
                    guard let found = input.framing.messages(from: bytes) else { return .end }
                    input.ready += found
                }
            }
            return .message(input.ready.removeFirst())
        }
    }

    /// False when the peer is gone or does not read.
    func send(_ bytes: [UInt8]) async -> Bool {
        switch LocalSocket.sendNow(bytes, to: descriptor) {
        case .failure: return false
        case .success(bytes.count): return true
        case .success(let sent):
            let rest = Array(bytes[sent...])
            return await withCheckedContinuation { done in
                // A thread of its own: it blocks until the peer reads on.
                DispatchQueue(label: "outrider.varlink.answer").async {
                    done.resume(returning: LocalSocket.send(rest, to: self.descriptor) == 0)
                }
            }
        }
    }

    /// Wakes whoever waits in ``next()``.
    func stop() { LocalSocket.shutDown(descriptor) }

    /// Only after the last ``next()`` or ``send(_:)`` has returned.
    func close() { LocalSocket.close(descriptor) }
}
