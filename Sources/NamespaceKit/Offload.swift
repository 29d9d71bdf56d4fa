import Dispatch
import Foundation
import Synchronization

/// Runs blocking work on a thread of its own, so that the few threads of the concurrency pool stay free.
public func offload<T: Sendable>(_ body: @escaping @Sendable () throws(KitError) -> T) async throws(KitError) -> T {
    let result: Result<T, KitError> = await withCheckedContinuation { continuation in
        Thread.detachNewThread {
            do throws(KitError) {
                continuation.resume(returning: .success(try body()))
            } catch {
                continuation.resume(returning: .failure(error))
            }
        }
    }
    return try result.get()
}

/// Runs tasks that block on threads of their own: `withTaskExecutorPreference(BlockingExecutor.shared)`.
///
/// The concurrency pool has one thread per core. A few bodies that wait for programs and packets would hold them all,
/// and everything else that runs beside them would stand still.
public final class BlockingExecutor: TaskExecutor {
    public static let shared = BlockingExecutor()
    private let queue = DispatchQueue(label: "outrider.blocking", attributes: .concurrent)

    public func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.async { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}

/// Tells blocking work on another thread to end.
public final class StopFlag: Sendable {
    private let flag = Atomic<Bool>(false)
    public init() {}
    /// Asks for the end; returns at once.
    public func raise() { flag.store(true, ordering: .releasing) }
    public var isRaised: Bool { flag.load(ordering: .acquiring) }
}

/// Carries one result from a thread to the one that waits for it.
final class ResultBox<T: Sendable>: Sendable {
    private let value = Mutex<Result<T, KitError>?>(nil)
    func store(_ result: Result<T, KitError>) { value.withLock { $0 = result } }
    func take() -> Result<T, KitError>? { value.withLock { $0 } }
}
