import ArgumentParser
import ControlAPI
import Foundation

struct RangeAllocate: CoordinatorCommand {
    static let configuration = CommandConfiguration(
        commandName: "allocate", abstract: "Reserves a contiguous range for an application.",
        discussion: "May grant fewer identifiers than asked; the result says how many.")
    @OptionGroup var options: GlobalOptions
    @Argument(help: "Name or id of the application.") var application: String
    @Option(help: "Identifiers wanted beyond those owned.") var count: UInt32
    @Option(help: "Confidence of the prediction, 0 ... 1.") var confidence: Double = 0
    @Option(help: ArgumentHelp("Life of the reservation, such as 10m.", valueName: "duration"))
    var lifetime: DurationArgument?
    @Option(help: ArgumentHelp("Repeating a key returns the first answer.", valueName: "key"))
    var idempotencyKey: String?

    func run(_ coordinator: Coordinator, _ output: Output) async throws {
        var request = Outrider_V1_AllocateRangeRequest()
        request.application = application
        request.predictedVmCount = count
        request.confidence = confidence
        request.lifetimeMs = lifetime?.milliseconds ?? 0
        // A key of its own makes a transparent retry by the transport harmless.
        request.idempotencyKey = idempotencyKey ?? UUID().uuidString
        let answer = try await coordinator.network.allocateRange(request, options: coordinator.call)
        try output.show(answer) {
            var facts = Facts()
            facts.add("range", answer.range.word)
            facts.add("granted", answer.granted < count ? "\(answer.granted) of \(count)" : "\(answer.granted)")
            facts.add("reservation", answer.reservation.id)
            facts.add("kind", answer.reservation.predicted ? "predicted" : "standard")
            facts.add("expires in", Words.milliseconds(answer.reservation.expiresInMs))
            return facts.lines
        }
    }
}
