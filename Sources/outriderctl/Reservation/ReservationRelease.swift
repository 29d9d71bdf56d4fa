import ArgumentParser
import ControlAPI

struct ReservationRelease: CoordinatorCommand {
    static let configuration = CommandConfiguration(
        commandName: "release", abstract: "Ends a reservation.",
        discussion: "Free identifiers return at once, leased ones through reclamation.")
    @OptionGroup var options: GlobalOptions
    @Argument(help: "UUID of the reservation.") var id: String
    @Option(help: "Why, for the audit.") var reason: String = ""

    func run(_ coordinator: Coordinator, _ output: Output) async throws {
        var request = Outrider_V1_ReleaseReservationRequest()
        request.id = id
        request.reason = reason
        let answer = try await coordinator.network.releaseReservation(request, options: coordinator.call)
        let names = try await coordinator.applicationNames(for: output)
        try output.show(answer) { ReservationCommand.lines([answer], names) }
    }
}
