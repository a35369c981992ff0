"""What should we do? Allocation of a budget, distil or train, and the risk of each plan."""
