import ArgumentParser
import ControlAPI

struct ReservationExtend: CoordinatorCommand {
    static let configuration = CommandConfiguration(commandName: "extend", abstract: "Moves a reservation's expiry.")
    @OptionGroup var options: GlobalOptions
    @Argument(help: "UUID of the reservation.") var id: String
    @Option(help: ArgumentHelp("New remaining life, such as 2h.", valueName: "duration")) var lifetime: DurationArgument

    func run(_ coordinator: Coordinator, _ output: Output) async throws {
        var request = Outrider_V1_ExtendReservationRequest()
        request.id = id
        request.lifetimeMs = lifetime.milliseconds
        let answer = try await coordinator.network.extendReservation(request, options: coordinator.call)
        let names = try await coordinator.applicationNames(for: output)
        try output.show(answer) { ReservationCommand.lines([answer], names) }
    }
}
