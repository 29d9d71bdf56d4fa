import Dispatch
import Foundation

/// Cleans up when the run is interrupted. A process makes one: on Linux libdispatch hears no signal again whose source was
/// cancelled before.
public struct InterruptWatcher {
    private let sources: [any DispatchSourceSignal]

    /// - Parameter cleanUp: what is done before the process ends.
    public init(_ cleanUp: @escaping @Sendable () -> Void) {
        sources = [SIGINT, SIGTERM].map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler {
                cleanUp()
                exit(128 + number)
            }
            source.resume()
            return source
        }
    }

    /// Interrupts end the process again without cleaning up.
    public func cancel() { for source in sources { source.cancel() } }
}
