"""Its being here lets every folder of tests import `watching`: pytest puts this folder on the path."""
