import CSystemShim
import Dispatch
import Glibc
import Synchronization

/// Waits until sockets can be read, one thread for all of them (epoll(7)).
///
/// Not with sources of Dispatch: on Linux a hang-up that reaches libdispatch's manager while the source is being cancelled ends
/// the process ("Source finalized twice"), about once in some hundred thousand connections of a busy machine.
final class SocketWaiter: Sendable {
    private struct State {
        var waiting: [Int32: CheckedContinuation<Void, Never>] = [:]
        var isStopped = false
    }

    private static let readyMax = 64

    private let set: Int32
    /// A pair: when the second is shut down, the thread finds the first ready and ends.
    private let bell: [Int32]
    private let state = Mutex(State())

    /// - Throws: errno when the process can have no more descriptors.
    init() throws(Refusal) {
        let set = outrider_waiter_open()
        guard set >= 0 else { throw Refusal(code: -set) }
        var bell: [Int32] = [-1, -1]
        guard unsafe socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &bell) == 0 else {
            let code = errno
            LocalSocket.close(set)
            throw Refusal(code: code)
        }
        let result = outrider_waiter_watch(set, bell[0])
        guard result == 0 else {
            for descriptor in bell + [set] { LocalSocket.close(descriptor) }
            throw Refusal(code: -result)
        }
        self.set = set
        self.bell = bell
        DispatchQueue(label: "outrider.varlink.connections").async { self.run() }
    }

    struct Refusal: Error {
        /// errno.
        var code: Int32
    }

    /// Returns when there is something to read, the peer hung up, the socket was shut down, or the waiter ended. The descriptor
    /// is not watched any more then. One waits for a descriptor at a time.
    ///
    /// - Returns: false when it cannot be waited for.
    func readable(_ descriptor: Int32) async -> Bool {
        let isWatched = Atomic(true)
        await withCheckedContinuation { done in
            let refused: CheckedContinuation<Void, Never>? = state.withLock { state in
                guard !state.isStopped, outrider_waiter_watch(set, descriptor) == 0 else { return done }
                // The thread takes it out under the same lock, so it is there when the event is.
                state.waiting[descriptor] = done
                return nil
            }
            guard let refused else { return }
            isWatched.store(false, ordering: .relaxed)
            refused.resume()
        }
        return isWatched.load(ordering: .relaxed)
    }

    /// Ends the thread; who still waits goes on.
    func stop() { LocalSocket.shutDown(bell[1]) }

    private func run() {
        var ready = [Int32](repeating: -1, count: Self.readyMax)
        var isOver = false
        while !isOver {
            let count = unsafe outrider_waiter_next(set, &ready, Int32(Self.readyMax))
            // The set is gone: who waits is let go.
            if count < 0 { isOver = true }
            for descriptor in ready.prefix(Int(max(0, count))) {
                if descriptor == bell[0] { isOver = true } else { release(descriptor) }
            }
        }
        let left = state.withLock { state in
            state.isStopped = true
            defer { state.waiting = [:] }
            return Array(state.waiting.values)
        }
        for descriptor in bell + [set] { LocalSocket.close(descriptor) }
        for done in left { done.resume() }
    }

    private func release(_ descriptor: Int32) {
        let done = state.withLock { state in
            _ = outrider_waiter_forget(set, descriptor)
            return state.waiting.removeValue(forKey: descriptor)
        }
        done?.resume()
    }
}
