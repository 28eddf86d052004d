"""The one way of a text: accept, commit, dispatch, report."""
