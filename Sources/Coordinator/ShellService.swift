import Logging
import ServiceLifecycle
import Store

/// Runs the shell: its writer, its ticks, and at the end its last snapshot.
struct ShellService: Service {
    let shell: CoordinatorShell
    let store: any Store
    let logger: Logger

    func run() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            // Whatever else is broken off: what was decided is stored.
            group.addTask { try await Task { try await shell.write() }.value }
            group.addTask {
                // Cancellation is how the ticks end; the servers have ended before.
                try? await cancelWhenGracefulShutdown { try await shell.tick() }
                await shell.finish()
            }
            try await group.waitForAll()
        }
        try await Task {
            try await shell.keepFinalImage()
            try await store.close()
        }.value
        logger.info("state kept")
    }
}
